{{ config(materialized='kept_table', unique_key=['entry_kind', 'source_id'], indexes=[{'columns': ['patient_id']}], meta={
    'follows': ['fact_procedure', 'fact_adjustment', 'fact_payment', 'fact_claim_procedure'],
    'scope': 'patient_id', 'is_followed': true,
}) }}
{%- call take_changes() %}
select patient_id from {{ changes_of('fact_procedure') }} as c
union all select patient_id from {{ changes_of('fact_adjustment') }} as c
union all select patient_id from {{ changes_of('fact_payment') }} as c
union all select patient_id from {{ changes_of('fact_claim_procedure') }} as c
{%- endcall %}
-- Every movement of money on patients' accounts, once: a positive amount is owed, a negative one
-- settles. A line of a claim moves money twice, when it is paid and when it is written off. Hidden
-- prepayments move none until they are allocated. Payment plans move none either; see int_account_entry.
with procedure_done as (
    select * from {{ ref('fact_procedure') }} where is_complete and {{ in_scope('patient_id') }}
),

adjustment as (
    select * from {{ ref('fact_adjustment') }} where {{ in_scope('patient_id') }}
),

payment_part as (
    select * from {{ ref('fact_payment') }} where not is_hidden_prepayment and {{ in_scope('patient_id') }}
),

claim_line as not materialized (
    select * from {{ ref('fact_claim_procedure') }} where {{ in_scope('patient_id') }}
)

select 'procedure' as entry_kind, p.procedure_id as source_id, p.procedure_date as entry_date,
    p.patient_id, p.provider_id, p.clinic_id, p.procedure_id, null::bigint as payment_plan_id,
    p.charge as amount
from procedure_done as p
union all
select 'adjustment', a.adjustment_id, a.adjustment_date,
    a.patient_id, a.provider_id, a.clinic_id, a.procedure_id, null, a.amount
from adjustment as a
union all
select 'patient payment', s.split_id, s.payment_date,
    s.patient_id, s.provider_id, s.clinic_id, s.procedure_id, s.payment_plan_id,
    (-s.amount)::numeric(12, 2)
from payment_part as s
union all
select 'insurance payment', c.claim_procedure_id, coalesce(c.payment_date, c.procedure_date),
    c.patient_id, c.provider_id, c.clinic_id, c.procedure_id, c.payment_plan_id,
    (-c.insurance_paid)::numeric(12, 2)
from claim_line as c
where c.insurance_paid <> 0
union all
select 'write-off', c.claim_procedure_id, coalesce(c.payment_date, c.procedure_date),
    c.patient_id, c.provider_id, c.clinic_id, c.procedure_id, null,
    (-c.write_off)::numeric(12, 2)
from claim_line as c
where c.write_off <> 0
