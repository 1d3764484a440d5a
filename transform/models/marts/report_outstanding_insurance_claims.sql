{{ config(unique_key='claim_id') }}
{#- RpOutstandingIns.cs: claims of status S with their carrier and patient. -#}
with stg_patient as (
    select * from {{ ref('stg_patient') }}
),

stg_definition as (
    select * from {{ ref('stg_definition') }}
),

insurance_plan as (
    select * from {{ ref('stg_insplan') }}
),

carrier as (
    select * from {{ ref('stg_carrier') }}
),

practice_day as (
    select * from {{ ref('int_practice_day') }}
),

subscription as (
    select * from {{ ref('stg_inssub') }}
),

clinic as (
    select * from {{ ref('stg_clinic') }}
),

claim as (
    select * from {{ ref('stg_claim') }} where status_code = 'S'
),

tracking as (
    select * from {{ ref('stg_claimtracking') }}
),

last_status as (
    select claim_id, max(entered_at) as entered_at
    from tracking where tracking_status_id is not null group by claim_id
),

status_history as (
    select distinct on (t.claim_id, t.tracking_status_id)
        t.claim_id, t.tracking_status_id, t.entered_at, t.tracking_error_id
    from tracking as t
    join last_status as l on l.claim_id = t.claim_id and l.entered_at = t.entered_at
    where t.tracking_type = 'StatusHistory'
    order by t.claim_id, t.tracking_status_id, t.claim_tracking_id
),

assigned as (
    select distinct on (claim_id) claim_id, user_id
    from tracking where tracking_type = 'ClaimUser'
    order by claim_id, entered_at desc, claim_tracking_id
),

patient as (
    select
        patient_id, birth_date, concat_ws(', ', last_name, first_name) as name,
        concat_ws(' ', concat_ws(', ', last_name, first_name), middle_initial) as full_name
    from stg_patient
),

definition as (
    select definition_id, name from stg_definition
)

select
    c.claim_id, i.carrier_id, k.name as carrier_name, k.phone as carrier_phone, c.claim_type,
    c.claim_type_code = 'PreAuth' as is_preauthorization,
    coalesce(u.user_id, 0) as assigned_user_id,
    c.patient_id, p.full_name as patient, p.birth_date as patient_birth_date,
    coalesce(c.clinic_id, 0) as clinic_id, coalesce(n.name, 'Unassigned') as clinic,
    coalesce(c.provider_id, 0) as provider_id,
    c.service_date, c.sent_date, c.first_sent_date,
    d.as_of_date - c.sent_date as days_old,
    s.name as tracking_status, h.entered_at as tracked_at, e.name as tracking_error,
    i.group_number, i.group_name, b.name as subscriber, b.birth_date as subscriber_birth_date,
    x.subscriber_number, c.fee as amount
from claim as c
join insurance_plan as i on i.plan_id = c.plan_id
join carrier as k on k.carrier_id = i.carrier_id
join patient as p on p.patient_id = c.patient_id
cross join practice_day as d
left join subscription as x on x.subscription_id = c.subscription_id
left join patient as b on b.patient_id = x.subscriber_id
left join clinic as n on n.clinic_id = c.clinic_id
left join definition as s on s.definition_id = c.tracking_status_id
left join status_history as h on h.claim_id = c.claim_id and h.tracking_status_id = c.tracking_status_id
left join definition as e on e.definition_id = h.tracking_error_id
left join assigned as u on u.claim_id = c.claim_id
