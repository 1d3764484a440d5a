select
    {{ as_key('inssub', 'InsSubNum') }} as subscription_id,
    {{ as_reference('inssub', 'PlanNum') }} as plan_id,
    {{ as_reference('inssub', 'Subscriber') }} as subscriber_id,
    {{ as_text('inssub', 'SubscriberID') }} as subscriber_number,
    {{ as_date('inssub', 'DateEffective') }} as effective_date,
    {{ as_date('inssub', 'DateTerm') }} as term_date,
    r._etl_loaded_at
from {{ raw_rows('inssub') }}
