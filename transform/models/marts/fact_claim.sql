{{ config(unique_key='claim_id') }}
with claim as (
    select * from {{ ref('int_claim') }}
),

answer as (
    select * from {{ ref('int_claim_answer') }}
)

select
    c.claim_id, c.patient_id, c.provider_id, c.clinic_id, c.plan_id, c.carrier_id,
    c.service_date, c.sent_date, c.received_date, c.status, c.claim_type, c.is_preauthorization,
    c.is_unsent, c.is_outstanding, c.fee, c.insurance_estimate, c.insurance_paid, c.write_off,
    coalesce(a.is_denied, false) as is_denied,
    coalesce(a.denied_lines, 0) as denied_lines,
    coalesce(a.denied_fee, 0)::numeric(12, 2) as denied_fee,
    coalesce(a.denied_paid_later, 0)::numeric(12, 2) as denied_paid_later,
    a.paid_date,
    case when c.status_code = 'R' and c.received_date >= c.sent_date
         then c.received_date - c.sent_date end as days_to_answer,
    case when a.paid_date >= c.sent_date then a.paid_date - c.sent_date end as days_to_pay
from claim as c
left join answer as a on a.claim_id = c.claim_id
