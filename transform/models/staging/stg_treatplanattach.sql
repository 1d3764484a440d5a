select
    {{ as_key('treatplanattach', 'TreatPlanAttachNum') }} as plan_procedure_id,
    {{ as_reference('treatplanattach', 'TreatPlanNum') }} as treatment_plan_id,
    {{ as_reference('treatplanattach', 'ProcNum') }} as procedure_id,
    r._etl_loaded_at
from {{ raw_rows('treatplanattach') }}
