{{ config(unique_key=['month_start', 'clinic_id']) }}
with done as (
    select date_trunc('month', visit_date)::date as month_start, coalesce(clinic_id, 0) as clinic_id,
        count(*) filter (where has_hygiene) as hygiene_visits,
        count(*) filter (where has_perio) as perio_visits, count(*) as visits
    from {{ ref('int_patient_visit') }} group by 1, 2
),

reappointed as (
    select date_trunc('month', visit_date)::date as month_start, clinic_id,
        count(*) filter (where left_with_next) as reappointed,
        count(*) filter (where has_next_by_today) as reappointed_by_today
    from {{ ref('int_reappointment') }} group by 1, 2
),

produced as (
    select date_trunc('month', p.procedure_date)::date as month_start, p.clinic_id,
        sum(p.gross_production) as hygiene_production,
        coalesce(sum(p.gross_production) filter (where c.code in {{ perio_codes() }}), 0) as perio_production
    from {{ ref('fact_procedure') }} as p
    join {{ ref('stg_procedurecode') }} as c on c.procedure_code_id = p.procedure_code_id
    where p.is_complete and p.procedure_date is not null and {{ is_hygiene_code('c') }}
    group by 1, 2
),

kept as (
    select month_start, clinic_id, count(*) as patients_before, count(*) filter (where came_back) as came_back
    from {{ ref('int_retention') }} group by 1, 2
)

select
    month_start, clinic_id,
    coalesce(d.visits, 0) as visits, coalesce(d.hygiene_visits, 0) as hygiene_visits,
    coalesce(d.perio_visits, 0) as perio_visits,
    coalesce(r.reappointed, 0) as reappointed,
    coalesce(r.reappointed_by_today, 0) as reappointed_by_today,
    round(r.reappointed::numeric / nullif(d.hygiene_visits, 0), 4) as reappointment,
    round(r.reappointed_by_today::numeric / nullif(d.hygiene_visits, 0), 4) as reappointment_by_today,
    coalesce(p.hygiene_production, 0)::numeric(14, 2) as hygiene_production,
    coalesce(p.perio_production, 0)::numeric(14, 2) as perio_production,
    round(p.perio_production / nullif(p.hygiene_production, 0), 4) as perio_share,
    round(d.perio_visits::numeric / nullif(d.hygiene_visits, 0), 4) as perio_share_of_visits,
    k.patients_before, k.came_back,
    round(k.came_back::numeric / nullif(k.patients_before, 0), 4) as retention
from done as d
full join reappointed as r using (month_start, clinic_id)
full join produced as p using (month_start, clinic_id)
full join kept as k using (month_start, clinic_id)
