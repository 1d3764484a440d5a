{{ config(unique_key=['month_start', 'clinic_id', 'referral_id']) }}
with new_patient as (
    select * from {{ ref('int_new_patient') }}
),

done as (
    select patient_id, clinic_id, procedure_date, gross_production
    from {{ ref('fact_procedure') }}
    where is_complete and procedure_date is not null
),

by_patient as (
    select
        d.patient_id,
        sum(d.gross_production) filter (where d.procedure_date < n.first_visit_date + interval '1 year')
            as first_year_production,
        sum(d.gross_production) as production_to_date
    from done as d
    join new_patient as n on n.patient_id = d.patient_id
    group by d.patient_id
),

came as (
    select
        date_trunc('month', n.first_visit_date)::date as month_start, n.clinic_id, n.referral_id,
        count(*) as new_patients,
        sum(p.first_year_production) as first_year_production,
        sum(p.production_to_date) as production_to_date
    from new_patient as n
    left join by_patient as p on p.patient_id = n.patient_id
    group by 1, 2, 3
),

produced as (
    select
        date_trunc('month', d.procedure_date)::date as month_start, d.clinic_id, n.referral_id,
        count(distinct d.patient_id) as patients, sum(d.gross_production) as production
    from done as d
    join new_patient as n on n.patient_id = d.patient_id
    group by 1, 2, 3
)

select
    month_start, clinic_id, referral_id,
    coalesce(c.new_patients, 0) as new_patients,
    coalesce(c.first_year_production, 0)::numeric(14, 2) as first_year_production,
    coalesce(c.production_to_date, 0)::numeric(14, 2) as production_to_date,
    coalesce(p.patients, 0) as patients,
    coalesce(p.production, 0)::numeric(14, 2) as production
from came as c
full join produced as p using (month_start, clinic_id, referral_id)
