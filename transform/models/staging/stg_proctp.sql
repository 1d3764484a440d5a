select
    {{ as_key('proctp', 'ProcTPNum') }} as plan_line_id,
    {{ as_reference('proctp', 'TreatPlanNum') }} as treatment_plan_id,
    {{ as_reference('proctp', 'PatNum') }} as patient_id,
    {{ as_reference('proctp', 'ProcNumOrig') }} as procedure_id,
    {{ as_money('proctp', 'FeeAmt') }} as fee,
    {{ as_money('proctp', 'PriInsAmt') }} as primary_estimate,
    {{ as_money('proctp', 'PatAmt') }} as patient_estimate,
    r._etl_loaded_at
from {{ raw_rows('proctp') }}
