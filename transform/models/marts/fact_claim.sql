{{ config(unique_key='claim_id') }}
select
    c.claim_id, c.patient_id, c.provider_id, c.clinic_id, c.plan_id, c.carrier_id,
    c.service_date, c.sent_date, c.received_date, c.status, c.claim_type, c.is_preauthorization,
    c.is_unsent, c.is_outstanding, c.fee, c.insurance_estimate, c.insurance_paid, c.write_off
from {{ ref('int_claim') }} as c
