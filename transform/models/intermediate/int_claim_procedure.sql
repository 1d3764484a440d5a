-- What insurance pays for a procedure. On the patient's account, lines that were received (1, 4,
-- and capitation 5, 7) are paid or written off, whether their payment is finalised or not; only
-- lines that a claim waits for (0) are expected. Estimates for work that is not claimed (6, 8),
-- preauthorizations (2) and adjustments of benefits (3) are no money.
-- Income is another thing (OpenDental's RpProdInc.cs, InsIncome): what a line paid is income when
-- its payment (claimpayment) was made, on the day of the cheque. Until then it is not finalised and
-- counts nowhere (RpUnfinalizedInsPay.cs).
with claim_snapshot as (
    select * from {{ ref('stg_claimsnapshot') }}
),

line as (
    select * from {{ ref('stg_claimproc') }}
),

payment as (
    select * from {{ ref('stg_claimpayment') }}
),

snapshot as (
    select distinct on (claim_procedure_id) * from claim_snapshot
    order by claim_procedure_id, claim_snapshot_id
)

select
    c.claim_procedure_id,
    c.claim_id,
    c.procedure_id,
    coalesce(c.patient_id, 0) as patient_id,
    coalesce(c.provider_id, 0) as provider_id,
    coalesce(c.clinic_id, 0) as clinic_id,
    coalesce(c.plan_id, 0) as plan_id,
    c.claim_payment_id,
    c.procedure_date,
    c.payment_date,
    c.status_code,
    c.status,
    c.fee_billed,
    case when c.status_code in ('1', '4', '5', '7') then c.insurance_paid else 0 end::numeric(12, 2)
        as insurance_paid,
    case when c.status_code in ('1', '4', '5', '7') then c.write_off else 0 end::numeric(12, 2)
        as write_off,
    case when c.status_code = '0' then c.insurance_estimate else 0 end::numeric(12, 2)
        as insurance_expected,
    -- OpenDental writes what it expects into the write-off itself, an override where there is one,
    -- and reads it there (Ledgers.cs).
    case when c.status_code = '0' then c.write_off else 0 end::numeric(12, 2) as write_off_expected,
    c.insurance_estimate as estimate,
    -- The office's own figure, where it gave one.
    coalesce(c.write_off_override, c.write_off_estimate, 0)::numeric(12, 2) as write_off_estimate,
    c.payment_plan_id,
    k.check_date,
    case when k.claim_payment_id is not null then c.insurance_paid else 0 end::numeric(12, 2)
        as insurance_income,
    case when c.claim_payment_id is null and c.status_code in ('1', '4', '5')
              and not coalesce(c.is_transfer, false)
         then c.insurance_paid else 0 end::numeric(12, 2) as insurance_unfinalized,
    -- Write-offs of insurance in production are those of lines that are waited for, received or
    -- supplements; never capitation's (RpProdInc.cs, InsWriteoff).
    case when c.status_code in ('0', '1', '4') then c.write_off else 0 end::numeric(12, 2)
        as production_write_off,
    s.entered_at::date as snapshot_date,
    coalesce(s.write_off, 0)::numeric(12, 2) as snapshot_write_off,
    {{ row_version(['c._etl_loaded_at', 'k._etl_loaded_at', 's._etl_loaded_at']) }} as _etl_version
from line as c
left join payment as k on k.claim_payment_id = c.claim_payment_id
left join snapshot as s on s.claim_procedure_id = c.claim_procedure_id
