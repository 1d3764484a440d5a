-- Every movement that the report Production and Income counts, once, by its kind and on the day on
-- which it counts (OpenDental's RpProdInc.cs). A patient's account counts otherwise: see int_ledger.
with procedure_done as (
    select * from {{ ref('fact_procedure') }} where is_complete
),

adjustment as (
    select * from {{ ref('fact_adjustment') }}
),

claim_line as (
    select * from {{ ref('fact_claim_procedure') }}
),

payment_part as (
    select * from {{ ref('fact_payment') }} where not is_hidden_prepayment
),

movement as (
    select 'production' as kind, procedure_id as source_id, procedure_date as entry_date,
        patient_id, provider_id, clinic_id, procedure_id, gross_production as amount
    from procedure_done
    union all
    select 'adjustment', adjustment_id, adjustment_date,
        patient_id, provider_id, clinic_id, procedure_id, amount
    from adjustment
    union all
    select 'write-off', claim_procedure_id, payment_date,
        patient_id, provider_id, clinic_id, procedure_id, (-write_off)::numeric(12, 2)
    from claim_line
    where status_code in ('1', '4') and write_off <> 0
    union all
    select case when is_prepayment then 'unearned income' else 'patient income' end, split_id,
        payment_date, patient_id, provider_id, clinic_id, procedure_id, amount
    from payment_part
    union all
    select case when status_code in ('1', '4') then 'insurance income' else 'other insurance income' end,
        claim_procedure_id, check_date, patient_id, provider_id, clinic_id, procedure_id,
        insurance_income
    from claim_line
    where insurance_income <> 0
)

select
    kind, source_id, entry_date, patient_id,
    coalesce(provider_id, 0) as provider_id,
    coalesce(clinic_id, 0) as clinic_id,
    procedure_id, amount
from movement
where entry_date is not null
