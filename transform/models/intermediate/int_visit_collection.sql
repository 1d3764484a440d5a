{{ config(materialized='kept_table', unique_key=['patient_id', 'visit_date'], meta={
    'follows': ['fact_procedure', 'fact_adjustment', 'fact_payment', 'fact_claim_procedure', 'int_patient_visit'],
    'scope': 'patient_id',
}) }}
{%- call take_changes() %}
select patient_id from {{ changes_of('fact_procedure') }} as c
union all select patient_id from {{ changes_of('fact_payment') }} as c
union all select patient_id from {{ changes_of('int_patient_visit') }} as c
-- What is done for the work of a patient may name another one.
{%- for name in ['fact_adjustment', 'fact_payment', 'fact_claim_procedure'] %}
union all
select p.patient_id
from {{ ref('fact_procedure') }} as p
join {{ changes_of(name) }} as c on c.procedure_id = p.procedure_id
{%- endfor %}
{%- endcall %}
-- What patients were to pay of a day's work, as it was expected on that day, and what of it they paid on
-- that day. Expected is the price, with adjustments of the day for this work, less what capitation
-- writes off and less what the lines of claims estimate for insurance and write-off, answered or not;
-- so a late answer changes nothing. Paid are parts of payments of the day that name this work, or
-- nothing else: not what pays older work, a payment plan or in advance, and no money that was only
-- moved. What is paid beyond what was expected is no part of it. Days without a portion are left out.
with procedure_done as (
    select p.procedure_id, p.patient_id, p.procedure_date as visit_date, p.gross_production
    from {{ ref('fact_procedure') }} as p
    left join {{ ref('stg_procedurecode') }} as c on c.procedure_code_id = p.procedure_code_id
    where p.is_complete and p.procedure_date is not null and p.patient_id <> 0
      and {{ in_scope('p.patient_id') }}
      and coalesce(c.code, '') not in ('D9986', 'D9987')
),

insured as (
    select procedure_id,
        sum(coalesce(estimate, 0) + write_off_estimate) as expected
    from {{ ref('fact_claim_procedure') }}
    where status_code in ('0', '1') and claim_id is not null and procedure_id is not null
    group by procedure_id
),

adjusted as (
    select a.procedure_id, sum(a.amount) as amount
    from {{ ref('fact_adjustment') }} as a
    join procedure_done as p on p.procedure_id = a.procedure_id and p.visit_date = a.adjustment_date
    group by a.procedure_id
),

visit as (
    select p.patient_id, p.visit_date,
        sum(p.gross_production + coalesce(a.amount, 0) - coalesce(i.expected, 0)) as portion
    from procedure_done as p
    left join insured as i on i.procedure_id = p.procedure_id
    left join adjusted as a on a.procedure_id = p.procedure_id
    group by p.patient_id, p.visit_date
),

payment_part as (
    select * from {{ ref('fact_payment') }}
    where not is_prepayment and not is_transfer and payment_plan_id is null
      and payment_date is not null
),

paid as (
    select patient_id, visit_date, sum(amount) as amount
    from (
        select p.patient_id, p.visit_date, s.amount
        from payment_part as s
        join procedure_done as p on p.procedure_id = s.procedure_id and p.visit_date = s.payment_date
        union all
        select patient_id, payment_date, amount
        from payment_part
        where procedure_id is null and adjustment_id is null and {{ in_scope('patient_id') }}
    ) as part
    group by patient_id, visit_date
)

select
    v.patient_id, v.visit_date, coalesce(d.clinic_id, 0) as clinic_id,
    v.portion::numeric(12, 2) as patient_portion,
    greatest(0, least(v.portion, coalesce(p.amount, 0)))::numeric(12, 2) as paid_at_visit
from visit as v
left join {{ ref('int_patient_visit') }} as d on d.patient_id = v.patient_id and d.visit_date = v.visit_date
left join paid as p on p.patient_id = v.patient_id and p.visit_date = v.visit_date
where v.portion > 0
