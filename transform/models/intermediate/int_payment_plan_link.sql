-- What a dynamic payment plan takes off the patient's account for each piece of work or adjustment
-- that is linked to it: the amount that the office set, else what is left of it for the patient, that
-- is the fee with its adjustments, less what insurance pays and writes off (what it is expected to,
-- while it has not), less what was paid outside of plans. Work that is not done yet counts, unless
-- the plan waits for it (OpenDental's Ledgers.cs, PayPlanLinks). Prepayments of hidden types that
-- name the work are taken off here, as OpenDental does.
with payment_plan_link as (
    select * from {{ ref('stg_payplanlink') }}
),

payment_plan as (
    select * from {{ ref('stg_payplan') }}
),

adjustment as not materialized (
    select * from {{ ref('stg_adjustment') }}
),

claim_line as (
    select * from {{ ref('stg_claimproc') }}
),

payment_split as (
    select * from {{ ref('stg_paysplit') }}
),

procedure_log as (
    select * from {{ ref('stg_procedurelog') }}
),

link as (
    select k.*, p.is_dynamic, p.planned_work_code
    from payment_plan_link as k
    join payment_plan as p on p.payment_plan_id = k.payment_plan_id
),

linked_procedure as (
    select distinct linked_id as procedure_id from link where link_type_code = '2'
),

adjusted as (
    select a.procedure_id, a.patient_id, a.provider_id, a.clinic_id, sum(a.amount) as amount
    from adjustment as a
    join linked_procedure as l on l.procedure_id = a.procedure_id
    group by a.procedure_id, a.patient_id, a.provider_id, a.clinic_id
),

insured as (
    select
        c.procedure_id,
        sum(case when c.status_code in ('1', '4', '7') then c.insurance_paid + c.write_off
                 else coalesce(c.insurance_estimate_override, c.insurance_estimate)
                      + coalesce(c.write_off_override, c.write_off_estimate, 0) end) as amount
    from claim_line as c
    join linked_procedure as l on l.procedure_id = c.procedure_id
    where c.status_code <> '2'
    group by c.procedure_id
),

paid as (
    select procedure_id, adjustment_id, sum(amount) as amount
    from payment_split
    where payment_plan_id is null
    group by procedure_id, adjustment_id
),

paid_for_procedure as (
    select p.procedure_id, sum(p.amount) as amount
    from paid as p
    join linked_procedure as l on l.procedure_id = p.procedure_id
    group by p.procedure_id
),

paid_for_adjustment as (
    select adjustment_id, sum(amount) as amount from paid
    where adjustment_id is not null group by adjustment_id
)

select
    k.payment_plan_link_id, k.payment_plan_id, p.patient_id, k.entered_at::date as link_date,
    case when k.amount_override <> 0 then k.amount_override
         else p.fee * (coalesce(p.unit_quantity, 0) + coalesce(p.base_units, 0))
              + coalesce(a.amount, 0) - coalesce(i.amount, 0) - coalesce(s.amount, 0)
    end::numeric(12, 2) as amount
from link as k
join procedure_log as p on p.procedure_id = k.linked_id
left join adjusted as a
    on a.procedure_id = p.procedure_id and a.patient_id is not distinct from p.patient_id
    and a.provider_id is not distinct from p.provider_id
    and a.clinic_id is not distinct from p.clinic_id
left join insured as i on i.procedure_id = p.procedure_id
left join paid_for_procedure as s on s.procedure_id = p.procedure_id
where k.link_type_code = '2'
  and not (coalesce(k.planned_work_code, '0') = '1' and p.status_code <> '2')
union all
select
    k.payment_plan_link_id, k.payment_plan_id, a.patient_id, k.entered_at::date,
    case when k.amount_override <> 0 then k.amount_override
         else a.amount - coalesce(s.amount, 0) end::numeric(12, 2)
from link as k
join adjustment as a on a.adjustment_id = k.linked_id
left join paid_for_adjustment as s on s.adjustment_id = a.adjustment_id
where k.link_type_code = '1'
