{{ config(unique_key=['month_start', 'provider_id', 'clinic_id']) }}
select
    date_trunc('month', planned_date)::date as month_start, provider_id, clinic_id,
    count(*) as planned,
    count(*) filter (where is_accepted) as accepted,
    count(*) filter (where is_complete) as completed,
    sum(amount)::numeric(14, 2) as planned_amount,
    coalesce(sum(amount) filter (where is_accepted), 0)::numeric(14, 2) as accepted_amount,
    coalesce(sum(amount) filter (where is_complete), 0)::numeric(14, 2) as completed_amount,
    round(count(*) filter (where is_accepted)::numeric / count(*), 4) as acceptance
from {{ ref('int_treatment') }}
group by 1, 2, 3
