{{ config(unique_key='payment_plan_id') }}
-- OpenDental's report Payment Plans, with plans of patients and of insurance, closed ones among them
-- (RpPayPlan.cs; manual, page reportpaymentplan). What is due is due on the practice's day. The principal
-- of a dynamic plan is all the work that is linked to it, as that is today.
with payment_plan_charge as (
    select * from {{ ref('stg_payplancharge') }}
),

practice_day as (
    select * from {{ ref('int_practice_day') }}
),

payment_part as not materialized (
    select * from {{ ref('fact_payment') }}
),

claim_line as not materialized (
    select * from {{ ref('fact_claim_procedure') }}
),

adjustment as not materialized (
    select * from {{ ref('fact_adjustment') }}
),

procedure as (
    select * from {{ ref('fact_procedure') }}
),

accounts_receivable as (
    select * from {{ ref('accounts_receivable') }}
),

patient as (
    select * from {{ ref('stg_patient') }}
),

family as (
    select * from {{ ref('int_family') }}
),

provider as (
    select * from {{ ref('stg_provider') }}
),

plan as (
    select * from {{ ref('stg_payplan') }}
),

charge as (
    select
        c.payment_plan_id,
        coalesce(sum(c.principal) filter (where c.charge_type_code = '0'), 0) as principal,
        coalesce(sum(c.interest) filter (where c.charge_type_code = '0' and c.charge_date <= d.as_of_date), 0)
            as interest,
        coalesce(sum(c.principal + c.interest)
            filter (where c.charge_type_code = '0' and c.charge_date <= d.as_of_date), 0) as due,
        min(c.provider_id) as provider_id, min(c.clinic_id) as clinic_id
    from payment_plan_charge as c
    cross join practice_day as d
    group by c.payment_plan_id
),

link as (
    select * from {{ ref('stg_payplanlink') }}
),

paid as (
    select payment_plan_id, sum(amount) as amount
    from payment_part where payment_plan_id is not null and not is_hidden_prepayment group by payment_plan_id
),

insurance_paid as (
    select payment_plan_id, sum(insurance_paid) as amount
    from claim_line
    where payment_plan_id is not null and status_code in ('1', '4', '5') group by payment_plan_id
),

linked_procedure as (
    select distinct linked_id as procedure_id from link where link_type_code = '2'
),

-- What lowers the work that is linked, of whatever plan: paid outside of plans, adjusted, insured. IS TRUE
-- lets the server look each row up in a hash table; it would walk through all links for each row.
paid_for_procedure as (
    select procedure_id, sum(amount) as amount
    from payment_part
    where payment_plan_id is null and (procedure_id in (select procedure_id from linked_procedure)) is true
    group by procedure_id
),

paid_for_adjustment as (
    select adjustment_id, sum(amount) as amount
    from payment_part
    where payment_plan_id is null
      and (adjustment_id in (select linked_id from link where link_type_code = '1')) is true
    group by adjustment_id
),

adjusted as (
    select procedure_id, sum(amount) as amount
    from adjustment
    where (procedure_id in (select procedure_id from linked_procedure)) is true
    group by procedure_id
),

insured as (
    select
        procedure_id,
        sum(case when status_code in ('1', '4', '5', '7') then insurance_paid + write_off
                 when status_code in ('0', '6', '8', '9')
                 then estimate + write_off_estimate
                 else 0 end) as amount
    from claim_line
    where (procedure_id in (select procedure_id from linked_procedure)) is true
    group by procedure_id
),

linked as (
    select
        k.payment_plan_id,
        sum(case
            when k.amount_override <> 0 then k.amount_override
            when k.link_type_code = '1' then j.amount - coalesce(pa.amount, 0)
            when k.link_type_code = '2'
            then p.fee * greatest(1, p.quantity)
                 - coalesce(pp.amount, 0) + coalesce(a.amount, 0) - coalesce(i.amount, 0)
        end) as principal
    from link as k
    left join adjustment as j on j.adjustment_id = k.linked_id and k.link_type_code = '1'
    left join procedure as p on p.procedure_id = k.linked_id and k.link_type_code = '2'
    left join paid_for_adjustment as pa on pa.adjustment_id = j.adjustment_id
    left join paid_for_procedure as pp on pp.procedure_id = p.procedure_id
    left join adjusted as a on a.procedure_id = p.procedure_id
    left join insured as i on i.procedure_id = p.procedure_id
    group by k.payment_plan_id
),

account as (
    select guarantor_id, balance, insurance_portion from accounts_receivable
),

amount as (
    select
        p.*, c.provider_id, c.clinic_id,
        coalesce(case when p.is_dynamic then l.principal else c.principal end, 0) as principal,
        coalesce(c.interest, 0) as interest, coalesce(c.due, 0) as due,
        coalesce(case when p.plan_id is null then s.amount else i.amount end, 0) as paid
    from plan as p
    left join charge as c on c.payment_plan_id = p.payment_plan_id
    left join linked as l on l.payment_plan_id = p.payment_plan_id
    left join paid as s on s.payment_plan_id = p.payment_plan_id
    left join insurance_paid as i on i.payment_plan_id = p.payment_plan_id
)

select
    a.payment_plan_id, a.patient_id, a.guarantor_id,
    concat_ws(', ', g.last_name, g.first_name) as guarantor,
    a.provider_id, v.last_name as provider, a.clinic_id,
    a.plan_id is not null as is_insurance, coalesce(a.is_dynamic, false) as is_dynamic, a.is_closed, a.agreed_date,
    a.principal::numeric(14, 2) as principal,
    a.interest::numeric(14, 2) as accumulated_interest,
    a.paid::numeric(14, 2) as paid,
    (a.principal + a.interest - a.paid)::numeric(14, 2) as balance,
    (a.due - a.paid)::numeric(14, 2) as due_now,
    (a.principal + a.interest - a.due)::numeric(14, 2) as balance_not_due,
    (coalesce(b.balance, 0) - coalesce(b.insurance_portion, 0))::numeric(14, 2) as family_balance
from amount as a
left join patient as g on g.patient_id = a.guarantor_id
left join family as f on f.patient_id = a.guarantor_id
left join account as b on b.guarantor_id = f.guarantor_id
left join provider as v on v.provider_id = a.provider_id
