{{ config(unique_key=['month_start', 'provider_id']) }}
with measure as (
    select date_trunc('month', production_date)::date as month_start, provider_id,
        sum(gross_production) as gross_production, sum(net_production) as net_production,
        0 as collections, 0 as kept, 0 as broken_by_status, 0 as missed_by_code, 0 as cancelled_by_code,
        0 as offered_minutes,
        count(distinct production_date) filter (where gross_production > 0) as days
    from {{ ref('production_by_day') }} group by 1, 2
    union all
    select date_trunc('month', collection_date)::date, provider_id, 0, 0, sum(collections), 0, 0, 0, 0, 0, 0
    from {{ ref('collections_by_day') }} group by 1, 2
    union all
    select date_trunc('month', appointment_date)::date, provider_id, 0, 0, 0,
        sum(kept), sum(broken_by_status), sum(missed_by_code), sum(cancelled_by_code),
        coalesce(sum(provider_minutes), 0), 0
    from {{ ref('appointments_by_day') }}
    where appointment_date <= (select as_of_date from {{ ref('int_practice_day') }})
    group by 1, 2
)

select
    m.month_start, m.provider_id, min(p.abbreviation) as provider,
    sum(m.days)::integer as days_with_production,
    sum(m.gross_production)::numeric(14, 2) as gross_production,
    sum(m.net_production)::numeric(14, 2) as net_production,
    sum(m.collections)::numeric(14, 2) as collections,
    sum(m.kept)::bigint as kept, sum(m.broken_by_status)::bigint as broken_by_status,
    sum(m.missed_by_code)::bigint as missed_by_code, sum(m.cancelled_by_code)::bigint as cancelled_by_code,
    round(sum(m.offered_minutes) / 60.0, 2) as offered_hours,
    round(sum(m.gross_production) / nullif(sum(m.offered_minutes) / 60.0, 0), 2) as production_per_hour,
    min(p.hourly_goal) as hourly_goal
from measure as m
left join {{ ref('stg_provider') }} as p on p.provider_id = m.provider_id
group by m.month_start, m.provider_id
