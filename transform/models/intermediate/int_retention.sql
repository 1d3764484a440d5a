{{ config(materialized='kept_table', unique_key=['month_start', 'patient_id'], meta={
    'follows': ['int_patient_visit'], 'scope': 'patient_id',
}) }}
{%- call take_changes() %}
select patient_id from {{ changes_of('int_patient_visit') }} as c
union all
-- The first month follows from the first visit of all.
select v.patient_id
from {{ ref('int_patient_visit') }} as v
where exists (
    select from {{ changes_of('int_patient_visit') }} as c
    where c.visit_date <= (select min(visit_date) from {{ ref('int_patient_visit') }})
)
{%- endcall %}
-- Who came back: for each month, the patients who were treated in the twelve months before the
-- last twelve, and whether they were treated in those. The clinic is that of the last treatment
-- before the last twelve months, so that a patient who goes to another one later changes no history.
with patient_visit as not materialized (
    select * from {{ ref('int_patient_visit') }}
),

practice_month as (
    select * from {{ source('practice_day', '_etl_practice_month') }}
),

month as (
    select generate_series(
        date_trunc('month', (select min(visit_date) from patient_visit)) + interval '2 years',
        (select month_start from practice_month),
        interval '1 month'
    )::date as month_start
),

seen as (
    select
        m.month_start, v.patient_id,
        bool_or(v.visit_date < m.month_start - interval '1 year') as was_here,
        bool_or(v.visit_date >= m.month_start - interval '1 year') as came_back,
        (array_agg(v.clinic_id order by v.visit_date desc)
            filter (where v.visit_date < m.month_start - interval '1 year'))[1] as clinic_id
    from month as m
    join patient_visit as v
        on v.visit_date >= m.month_start - interval '2 years' and v.visit_date < m.month_start
        and {{ in_scope('v.patient_id') }}
    group by m.month_start, v.patient_id
)

select s.month_start, s.patient_id, coalesce(s.clinic_id, 0) as clinic_id, s.came_back
from seen as s
where s.was_here
