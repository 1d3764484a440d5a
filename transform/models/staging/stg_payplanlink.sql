select
    {{ as_key('payplanlink', 'PayPlanLinkNum') }} as payment_plan_link_id,
    {{ as_reference('payplanlink', 'PayPlanNum') }} as payment_plan_id,
    {{ as_code('payplanlink', 'LinkType') }} as link_type_code,
    {{ as_reference('payplanlink', 'FKey') }} as linked_id,
    {{ as_money('payplanlink', 'AmountOverride') }} as amount_override,
    {{ as_local_time('payplanlink', 'SecDateTEntry') }} as entered_at,
    r._etl_loaded_at
from {{ raw_rows('payplanlink') }}
