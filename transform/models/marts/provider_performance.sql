{{ config(unique_key=['month_start', 'provider_id']) }}
with seen as (
    select date_trunc('month', p.procedure_date)::date as month_start, p.provider_id,
        count(distinct (p.patient_id, p.procedure_date)) as patient_visits
    from {{ ref('fact_procedure') }} as p
    join {{ ref('dim_procedure_code') }} as c on c.procedure_code_id = p.procedure_code_id
    where p.is_complete and p.procedure_date is not null and p.patient_id <> 0
      and coalesce(c.code, '') not in ('D9986', 'D9987')
    group by 1, 2
),

measure as (
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
),

performance as (
    select
        m.month_start, m.provider_id,
        min(p.abbreviation) as provider,
        bool_or(p.is_hygienist) as is_hygienist, bool_or(p.is_not_person) as is_not_person,
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
),

with_visits as (
    select
        f.*, coalesce(s.patient_visits, 0) as patient_visits,
        round(f.gross_production / nullif(s.patient_visits, 0), 2) as production_per_visit
    from performance as f
    left join seen as s on s.month_start = f.month_start and s.provider_id = f.provider_id
),

peers as (
    select
        month_start, is_hygienist,
        percentile_cont(array[0.25, 0.5, 0.75]) within group (order by production_per_hour) as by_hour,
        percentile_cont(array[0.25, 0.5, 0.75]) within group (order by production_per_visit) as by_visit
    from with_visits
    where is_hygienist is not null and not is_not_person
    group by month_start, is_hygienist
)

select
    f.month_start, f.provider_id, f.provider, coalesce(f.is_hygienist, false) as is_hygienist,
    f.days_with_production, f.gross_production, f.net_production, f.collections,
    f.kept, f.broken_by_status, f.missed_by_code, f.cancelled_by_code,
    f.offered_hours, f.production_per_hour, f.hourly_goal,
    f.patient_visits, f.production_per_visit,
    {%- for measure in ['hour', 'visit'] %}
    {%- for place in [1, 2, 3] %}
    round(g.by_{{ measure }}[{{ place }}]::numeric, 2) as production_per_{{ measure }}_p{{ 25 * place }}{{ ',' if not loop.last }}
    {%- endfor %}
    {{- ',' if not loop.last }}
    {%- endfor %}
from with_visits as f
left join peers as g
    on g.month_start = f.month_start and g.is_hygienist = f.is_hygienist and not f.is_not_person
