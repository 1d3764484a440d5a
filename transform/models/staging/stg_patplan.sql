select
    {{ as_key('patplan', 'PatPlanNum') }} as patient_plan_id,
    {{ as_reference('patplan', 'PatNum') }} as patient_id,
    {{ as_integer('patplan', 'Ordinal') }} as ordinal,
    {{ as_reference('patplan', 'InsSubNum') }} as subscription_id,
    r._etl_loaded_at
from {{ raw_rows('patplan') }}
