{{ config(unique_key='plan_id') }}
with subscription as (
    select * from {{ ref('stg_inssub') }}
),

insurance_plan as (
    select * from {{ ref('stg_insplan') }}
),

carrier as (
    select * from {{ ref('stg_carrier') }}
),

inferred as (
    {{ inferred_members('plan_id', 'stg_insplan', ['fact_claim.plan_id', 'fact_claim_procedure.plan_id']) }}
)

select
    p.plan_id, p.group_name, p.group_number, coalesce(p.carrier_id, 0) as carrier_id, c.name as carrier_name, p.plan_type,
    coalesce(p.fee_schedule_id, 0) as fee_schedule_id, p.is_medical, p.is_hidden,
    (select count(*) from subscription as s where s.plan_id = p.plan_id) as subscribers,
    false as is_missing
from insurance_plan as p
left join carrier as c on c.carrier_id = p.carrier_id
union all
select 0, 'no plan', null, 0, null, null, 0, false, false, 0, true
union all
select key, 'unknown plan ' || key, null, 0, null, null, 0, false, false, 0, true from inferred
