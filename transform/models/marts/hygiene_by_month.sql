{{ config(unique_key=['month_start', 'clinic_id']) }}
with done as (
    select date_trunc('month', visit_date)::date as month_start, coalesce(clinic_id, 0) as clinic_id,
        count(*) filter (where has_hygiene) as hygiene_visits, count(*) as visits
    from {{ ref('int_patient_visit') }} group by 1, 2
),

kept as (
    select month_start, clinic_id, count(*) as patients_before, count(*) filter (where came_back) as came_back
    from {{ ref('int_retention') }} group by 1, 2
)

select
    month_start, clinic_id,
    coalesce(d.visits, 0) as visits, coalesce(d.hygiene_visits, 0) as hygiene_visits,
    k.patients_before, k.came_back,
    round(k.came_back::numeric / nullif(k.patients_before, 0), 4) as retention
from done as d
full join kept as k using (month_start, clinic_id)
