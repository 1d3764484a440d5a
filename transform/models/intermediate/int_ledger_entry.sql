-- Every movement of money on patients' accounts, once: a positive amount is owed, a negative one
-- settles. A line of a claim moves money twice, when it is paid and when it is written off. Hidden
-- prepayments move none until they are allocated. Payment plans move none either; see int_account_entry.
with int_procedure as (
    select * from {{ ref('int_procedure') }}
),

adjustment as (
    select * from {{ ref('int_adjustment') }}
),

payment as (
    select * from {{ ref('int_payment') }}
),

claim_procedure as not materialized (
    select * from {{ ref('int_claim_procedure') }}
)

select 'procedure' as entry_kind, p.procedure_id as source_id, p.procedure_date as entry_date,
    p.patient_id, p.provider_id, p.clinic_id, p.procedure_id, null::bigint as payment_plan_id,
    p.charge as amount, p._etl_version
from int_procedure as p
where p.is_complete
union all
select 'adjustment', a.adjustment_id, a.adjustment_date,
    a.patient_id, a.provider_id, a.clinic_id, a.procedure_id, null, a.amount, a._etl_version
from adjustment as a
union all
select 'patient payment', s.split_id, s.payment_date,
    s.patient_id, s.provider_id, s.clinic_id, s.procedure_id, s.payment_plan_id,
    (-s.amount)::numeric(12, 2), s._etl_version
from payment as s
where not s.is_hidden_prepayment
union all
select 'insurance payment', c.claim_procedure_id, coalesce(c.payment_date, c.procedure_date),
    c.patient_id, c.provider_id, c.clinic_id, c.procedure_id, c.payment_plan_id,
    (-c.insurance_paid)::numeric(12, 2), c._etl_version
from claim_procedure as c
where c.insurance_paid <> 0
union all
select 'write-off', c.claim_procedure_id, coalesce(c.payment_date, c.procedure_date),
    c.patient_id, c.provider_id, c.clinic_id, c.procedure_id, null,
    (-c.write_off)::numeric(12, 2), c._etl_version
from claim_procedure as c
where c.write_off <> 0
