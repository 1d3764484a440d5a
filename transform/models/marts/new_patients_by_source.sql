{{ config(unique_key=['month_start', 'clinic_id', 'referral_id']) }}
select
    date_trunc('month', n.first_visit_date)::date as month_start,
    n.clinic_id, n.referral_id,
    count(*) as new_patients,
    coalesce(sum(p.first_year_production), 0)::numeric(14, 2) as first_year_production
from {{ ref('int_new_patient') }} as n
left join (
    select f.patient_id, sum(f.gross_production) as first_year_production
    from {{ ref('fact_procedure') }} as f
    join {{ ref('int_new_patient') }} as x on x.patient_id = f.patient_id
    where f.procedure_date < x.first_visit_date + interval '1 year'
    group by f.patient_id
) as p on p.patient_id = n.patient_id
group by 1, 2, 3
