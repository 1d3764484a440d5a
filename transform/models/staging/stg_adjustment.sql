select
    {{ as_key('adjustment', 'AdjNum') }} as adjustment_id,
    {{ as_date('adjustment', 'AdjDate') }} as adjustment_date,
    {{ as_money('adjustment', 'AdjAmt') }} as amount,
    {{ as_reference('adjustment', 'PatNum') }} as patient_id,
    {{ as_reference('adjustment', 'AdjType') }} as adjustment_type_id,
    {{ as_reference('adjustment', 'ProvNum') }} as provider_id,
    {{ as_reference('adjustment', 'ClinicNum') }} as clinic_id,
    {{ as_reference('adjustment', 'ProcNum') }} as procedure_id,
    {{ as_date('adjustment', 'ProcDate') }} as procedure_date,
    {{ as_date('adjustment', 'DateEntry') }} as entry_date,
    {{ as_text('adjustment', 'AdjNote') }} as note,
    r._etl_loaded_at
from {{ raw_rows('adjustment') }}
