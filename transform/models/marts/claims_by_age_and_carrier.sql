{{ config(unique_key=['carrier_id', 'age_bucket']) }}
with claim as (
    select * from {{ ref('int_claim') }}
),

practice_day as (
    select * from {{ ref('int_practice_day') }}
),

carrier as (
    select * from {{ ref('stg_carrier') }}
)

select
    coalesce(c.carrier_id, 0) as carrier_id,
    {{ age_bucket('greatest(0, d.as_of_date - coalesce(c.sent_date, c.service_date))') }} as age_bucket,
    min(k.name) as carrier_name,
    count(*) as claims,
    count(*) filter (where c.is_unsent) as not_sent,
    sum(c.fee)::numeric(14, 2) as fee,
    sum(c.insurance_estimate)::numeric(14, 2) as insurance_estimate,
    min(coalesce(c.sent_date, c.service_date)) as oldest_date
from claim as c
cross join practice_day as d
left join carrier as k on k.carrier_id = c.carrier_id
where c.is_outstanding
group by 1, 2
