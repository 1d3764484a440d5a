-- Claims with their carrier. A preauthorization asks and claims nothing. Whether a claim was sent is a
-- matter of its status: one that waits carries as DateSent the day on which it was made
-- (Claim.cs; manual, page claimedit), so a date says nothing.
with claim as (
    select * from {{ ref('stg_claim') }}
),

insurance_plan as (
    select * from {{ ref('stg_insplan') }}
)

select
    c.claim_id,
    coalesce(c.patient_id, 0) as patient_id,
    coalesce(c.provider_id, 0) as provider_id,
    coalesce(c.clinic_id, 0) as clinic_id,
    coalesce(c.plan_id, 0) as plan_id,
    coalesce(p.carrier_id, 0) as carrier_id,
    c.service_date,
    case when c.status_code not in ('U', 'H', 'W', 'I') then coalesce(c.first_sent_date, c.sent_date) end
        as sent_date,
    c.status_code in ('U', 'H', 'W', 'I') as is_unsent,
    c.received_date,
    c.status_code,
    c.status,
    c.claim_type_code,
    c.claim_type,
    c.claim_type_code = 'PreAuth' as is_preauthorization,
    c.claim_type_code <> 'PreAuth' and c.status_code <> 'R' as is_outstanding,
    c.fee,
    c.insurance_estimate,
    c.insurance_paid,
    c.write_off
from claim as c
left join insurance_plan as p on p.plan_id = c.plan_id
