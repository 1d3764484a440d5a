{{ config(unique_key='patient_id') }}
with patient as (
    select * from {{ ref('stg_patient') }}
),

practice_day as (
    select * from {{ ref('int_practice_day') }}
),

family as (
    select * from {{ ref('int_family') }}
),

definition as (
    select * from {{ ref('stg_definition') }}
),

new_patient as (
    select * from {{ ref('int_new_patient') }}
),

patient_visit as (
    select * from {{ ref('int_patient_visit') }}
),

patient_plan as (
    select * from {{ ref('stg_patplan') }}
),

subscription as (
    select * from {{ ref('stg_inssub') }}
),

inferred as (
    {{ inferred_members('patient_id', 'stg_patient', ['fact_procedure.patient_id', 'fact_payment.patient_id', 'fact_adjustment.patient_id', 'fact_claim.patient_id', 'fact_claim_procedure.patient_id', 'fact_appointment.patient_id', 'fact_payment.payer_id']) }}
)

select
    p.patient_id, p.last_name, p.first_name, p.status, p.status_code = '4' as is_deleted,
    p.gender, p.birth_date,
    extract(year from age(d.as_of_date, p.birth_date))::integer as age,
    f.guarantor_id, f.has_living_guarantor,
    coalesce(p.primary_provider_id, 0) as primary_provider_id, coalesce(p.hygienist_id, 0) as hygienist_id,
    coalesce(p.clinic_id, 0) as clinic_id, p.postal_code,
    coalesce(b.name, 'unknown ' || p.billing_type_id) as billing_type,
    n.first_visit_date, v.last_visit_date,
    coalesce(i.plan_id, 0) as primary_plan_id, false as is_missing
from patient as p
cross join practice_day as d
join family as f on f.patient_id = p.patient_id
left join definition as b on b.definition_id = p.billing_type_id
left join new_patient as n on n.patient_id = p.patient_id
left join (
    select patient_id, max(visit_date) as last_visit_date
    from patient_visit group by patient_id
) as v on v.patient_id = p.patient_id
left join (
    select distinct on (c.patient_id) c.patient_id, s.plan_id
    from patient_plan as c
    join subscription as s on s.subscription_id = c.subscription_id
    order by c.patient_id, c.ordinal, c.patient_plan_id
) as i on i.patient_id = p.patient_id
union all
select m.key, m.name, null, 'none', false, null, null, null, m.key, false, 0, 0, 0, null, null, null, null, 0, true
from (
    select 0 as key, 'no patient' as name
    union all
    select key, 'unknown patient ' || key from inferred
) as m
