{{ config(unique_key=['month_start', 'referral_id']) }}
{#- RpReferralAnalysis.cs, a month at a time. -#}
with stg_referral as (
    select * from {{ ref('stg_referral') }}
),

referral_link as (
    select * from {{ ref('stg_refattach') }}
),

procedure_done as (
    select * from {{ ref('fact_procedure') }} where is_complete
),

procedure_code as (
    select * from {{ ref('stg_procedurecode') }}
),

referral as (
    select referral_id, last_name, first_name from stg_referral
),

came as (
    select distinct patient_id, referral_id
    from referral_link where referral_type_code = '1'
),

done as (
    select
        p.patient_id, date_trunc('month', p.procedure_date)::date as month_start,
        sum(p.charge) as production
    from procedure_done as p
    join procedure_code as c on c.procedure_code_id = p.procedure_code_id
    where p.procedure_date is not null
      and coalesce(c.code, '') not in ('D9986', 'D9987')
    group by 1, 2
),

treated as (
    select
        patient_id, month_start, production,
        month_start = min(month_start) over (partition by patient_id) as is_new
    from done
)

select
    t.month_start, r.referral_id, r.last_name, r.first_name,
    count(*) as patients,
    sum(t.production)::numeric(14, 2) as production,
    count(*) filter (where t.is_new) as new_patients,
    coalesce(sum(t.production) filter (where t.is_new), 0)::numeric(14, 2) as new_patient_production
from referral as r
join came as a on a.referral_id = r.referral_id
join treated as t on t.patient_id = a.patient_id
group by t.month_start, r.referral_id, r.last_name, r.first_name
