{{ config(materialized='kept_table', unique_key=['entry_kind', 'source_id']) }}
-- What payment plans do to accounts, by the practice's preference (PayPlansVersion). By default, "age
-- credits and debits": a plan's credits take their principal off the patient's account, and each debit
-- that is due, with its interest, is owed by the debit's guarantor, who may be of another family.
-- "Do not age": the plan's completed amount leaves the patient's account, and nothing falls due.
-- "Age credits only": only credits count. "No charges": nothing does. Debits of plans that follow
-- what a carrier pays in parts are nobody's debt (OpenDental's Ledgers.cs).
-- A credit or debit does not exist before its day, also in totals: is_scheduled.
with payment_plan_link as (
    select * from {{ ref('int_payment_plan_link') }}
),

choice as (
    select {{ preference('PayPlansVersion') }} as version
),

plan as (
    select * from {{ ref('stg_payplan') }}
),

charge as (
    select * from {{ ref('stg_payplancharge') }}
)

select
    'payment plan credit' as entry_kind, c.payment_plan_charge_id as source_id,
    c.charge_date as entry_date, case v.version when '3' then c.patient_id else p.patient_id end as patient_id,
    c.payment_plan_id, true as is_scheduled, (-c.principal)::numeric(12, 2) as amount
from charge as c
join choice as v on v.version in ('2', '3')
left join plan as p on p.payment_plan_id = c.payment_plan_id
where c.charge_type_code <> '0'
union all
select
    'payment plan debit', c.payment_plan_charge_id, c.charge_date, c.guarantor_id, c.payment_plan_id,
    true, (c.principal + c.interest)::numeric(12, 2)
from charge as c
join choice as v on v.version = '2'
join plan as p on p.payment_plan_id = c.payment_plan_id
where c.charge_type_code = '0' and p.plan_id is null
union all
select
    'payment plan link', k.payment_plan_link_id, k.link_date, k.patient_id, k.payment_plan_id,
    false, (-k.amount)::numeric(12, 2)
from payment_plan_link as k
join choice as v on v.version in ('2', '3')
union all
select
    'payment plan', p.payment_plan_id, p.agreed_date, p.patient_id, p.payment_plan_id,
    false, (-p.completed_amount)::numeric(12, 2)
from plan as p
join choice as v on v.version = '1'
