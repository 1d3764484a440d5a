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
    select * from {{ ref('fact_adjustment') }}
),

payment_part as (
    select * from {{ ref('fact_payment') }}
),

procedure as (
    select * from {{ ref('fact_procedure') }}
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

-- An array is handed down to where the rows are looked up by their key.
claim_line as (
    select * from {{ ref('stg_claimproc') }}
    where claim_procedure_id = any(array(
        select c.claim_procedure_id
        from {{ ref('fact_claim_procedure') }} as c
        join linked_procedure as l on l.procedure_id = c.procedure_id
    ))
),

insured as (
    select
        c.procedure_id,
        sum(case when c.status_code in ('1', '4', '7') then c.insurance_paid + c.write_off
                 else coalesce(c.insurance_estimate_override, c.insurance_estimate)
                      + coalesce(c.write_off_override, c.write_off_estimate, 0) end) as amount
    from claim_line as c
    where c.status_code <> '2'
    group by c.procedure_id
),

paid as (
    select procedure_id, adjustment_id, amount
    from payment_part
    where payment_plan_id is null
      and (procedure_id in (select procedure_id from linked_procedure)
           or adjustment_id in (select linked_id from link where link_type_code = '1'))
),

paid_for_procedure as (
    select procedure_id, sum(amount) as amount from paid group by procedure_id
),

paid_for_adjustment as (
    select adjustment_id, sum(amount) as amount from paid group by adjustment_id
)

select
    k.payment_plan_link_id, k.payment_plan_id, nullif(p.patient_id, 0) as patient_id, k.entered_at::date as link_date,
    case when k.amount_override <> 0 then k.amount_override
         else p.charge + coalesce(a.amount, 0) - coalesce(i.amount, 0) - coalesce(s.amount, 0)
    end::numeric(12, 2) as amount
from link as k
join procedure as p on p.procedure_id = k.linked_id
left join adjusted as a
    on a.procedure_id = p.procedure_id and a.patient_id = p.patient_id
    and a.provider_id = p.provider_id and a.clinic_id = p.clinic_id
left join insured as i on i.procedure_id = p.procedure_id
left join paid_for_procedure as s on s.procedure_id = p.procedure_id
where k.link_type_code = '2'
  and not (coalesce(k.planned_work_code, '0') = '1' and p.status_code <> '2')
union all
select
    k.payment_plan_link_id, k.payment_plan_id, nullif(a.patient_id, 0), k.entered_at::date,
    case when k.amount_override <> 0 then k.amount_override
         else a.amount - coalesce(s.amount, 0) end::numeric(12, 2)
from link as k
join adjustment as a on a.adjustment_id = k.linked_id
left join paid_for_adjustment as s on s.adjustment_id = a.adjustment_id
where k.link_type_code = '1'
