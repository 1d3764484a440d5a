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
    select g.day::date as month_start, {{ month_number('g.day') }} as month_number
    from generate_series(
        date_trunc('month', (select min(visit_date) from patient_visit)) + interval '2 years',
        (select month_start from practice_month),
        interval '1 month'
    ) as g (day)
),

span as (
    select
        v.patient_id, v.clinic_id, {{ month_number('v.visit_date') }} as visit_month,
        lead({{ month_number('v.visit_date') }}) over (partition by v.patient_id order by v.visit_date)
            as next_month
    from patient_visit as v
    where {{ in_scope('v.patient_id') }}
)

-- A visit is the last one before the last twelve months in the months 13 to 24 after its own, until the
-- next visit is.
select
    m.month_start, s.patient_id, coalesce(s.clinic_id, 0) as clinic_id,
    coalesce(s.next_month < m.month_number, false) as came_back
from span as s
cross join lateral generate_series(
    s.visit_month + 13, least(s.visit_month + 24, s.next_month + 12)
) as g (month_number)
join month as m on m.month_number = g.month_number
