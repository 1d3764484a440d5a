{{ config(unique_key=['payment_kind', 'source_id']) }}
-- As the report Unfinalized Insurance Payments lists them (OpenDental's RpUnfinalizedInsPay.cs):
-- payments that are still being entered, and claims whose money no payment is made of.
with insurance_plan as (
    select * from {{ ref('stg_insplan') }}
),

carrier as (
    select * from {{ ref('stg_carrier') }}
),

patient as (
    select * from {{ ref('stg_patient') }}
),

payment as (
    select * from {{ ref('stg_claimpayment') }} where is_partial
),

line as (
    select * from {{ ref('fact_claim_procedure') }}
),

plan as (
    select p.plan_id, c.name as carrier_name
    from insurance_plan as p
    join carrier as c on c.carrier_id = p.carrier_id
),

found as (
    select
        'partial payment' as payment_kind, k.claim_payment_id as source_id, k.carrier_name,
        coalesce(k.clinic_id, 0) as clinic_id, k.check_date as payment_date,
        max(l.procedure_date) as date_of_service, max(l.patient_id) as patient_id,
        count(distinct l.patient_id) as patients, k.check_amount as amount
    from payment as k
    left join line as l on l.claim_payment_id = k.claim_payment_id
    group by k.claim_payment_id, k.carrier_name, k.clinic_id, k.check_date, k.check_amount
    union all
    select
        'unfinalized payment', coalesce(l.claim_id, 0), max(p.carrier_name),
        coalesce(max(l.clinic_id), 0), max(l.payment_date), max(l.procedure_date),
        max(l.patient_id), count(distinct l.patient_id), sum(l.insurance_unfinalized)
    from line as l
    join plan as p on p.plan_id = l.plan_id
    where l.insurance_unfinalized <> 0
    group by coalesce(l.claim_id, 0)
)

select
    f.payment_kind, f.source_id, coalesce(f.patient_id, 0) as patient_id,
    concat_ws(', ', p.last_name, p.first_name) as patient_name,
    f.patients, f.carrier_name, f.clinic_id, f.payment_date, f.date_of_service,
    f.amount::numeric(14, 2) as amount
from found as f
left join patient as p on p.patient_id = f.patient_id
