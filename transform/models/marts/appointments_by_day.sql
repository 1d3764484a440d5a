{{ config(unique_key=['appointment_date', 'provider_id', 'clinic_id']) }}
with appointment as (
    select *,
        case when outcome in ('kept', 'scheduled') then greatest(0, appointment_date - entered_at::date) end
            as lead_days
    from {{ ref('fact_appointment') }}
),

visit as (
    select
        appointment_date, coalesce(provider_id, 0) as provider_id, coalesce(clinic_id, 0) as clinic_id,
        count(*) as appointments,
        count(*) filter (where outcome = 'kept') as kept,
        count(*) filter (where outcome = 'broken') as broken_by_status,
        count(*) filter (where outcome = 'unscheduled') as unscheduled_by_status,
        count(*) filter (where outcome = 'scheduled') as scheduled,
        coalesce(sum(minutes) filter (where outcome = 'kept'), 0) as kept_minutes,
        coalesce(sum(minutes) filter (where outcome in ('kept', 'scheduled')), 0) as booked_minutes,
        count(lead_days) as lead_visits, sum(lead_days) as lead_days,
        count(lead_days) filter (where is_new_patient) as new_patient_lead_visits,
        sum(lead_days) filter (where is_new_patient) as new_patient_lead_days
    from appointment
    where outcome <> 'not a visit' and appointment_date > date '1900-01-01'
    group by 1, 2, 3
),

broken as (
    select
        broken_date as appointment_date,
        coalesce(provider_id, 0) as provider_id, coalesce(clinic_id, 0) as clinic_id,
        count(*) filter (where broken_kind = 'missed') as missed_by_code,
        count(*) filter (where broken_kind = 'cancelled') as cancelled_by_code
    from {{ ref('int_broken_visit') }}
    where broken_date is not null
    group by 1, 2, 3
),

opening as (
    select
        opening_date as appointment_date, provider_id, clinic_id,
        count(*) as openings,
        count(*) filter (where notice_minutes < 24 * 60) as openings_within_24_hours,
        sum(notice_minutes) as notice_minutes,
        count(*) filter (where is_refilled) as openings_refilled,
        count(*) filter (where is_rebooked) as openings_rebooked
    from {{ ref('int_opening') }}
    group by 1, 2, 3
),

working as (
    select schedule_date as appointment_date, provider_id, clinic_id, minutes
    from {{ ref('int_working_time') }}
)

select
    appointment_date, provider_id, clinic_id,
    coalesce(v.appointments, 0) as appointments, coalesce(v.kept, 0) as kept,
    coalesce(v.scheduled, 0) as scheduled,
    coalesce(v.broken_by_status, 0) as broken_by_status,
    coalesce(v.unscheduled_by_status, 0) as unscheduled_by_status,
    coalesce(b.missed_by_code, 0) as missed_by_code,
    coalesce(b.cancelled_by_code, 0) as cancelled_by_code,
    coalesce(v.kept_minutes, 0) as kept_minutes, coalesce(v.booked_minutes, 0) as booked_minutes,
    w.minutes as provider_minutes,
    round(coalesce(v.booked_minutes, 0)::numeric / nullif(w.minutes, 0), 4) as provider_use,
    coalesce(v.lead_visits, 0) as lead_visits, coalesce(v.lead_days, 0)::bigint as lead_days,
    round(v.lead_days::numeric / nullif(v.lead_visits, 0), 1) as average_lead_days,
    coalesce(v.new_patient_lead_visits, 0) as new_patient_lead_visits,
    coalesce(v.new_patient_lead_days, 0)::bigint as new_patient_lead_days,
    round(v.new_patient_lead_days::numeric / nullif(v.new_patient_lead_visits, 0), 1)
        as average_new_patient_lead_days,
    coalesce(o.openings, 0) as openings,
    coalesce(o.openings_within_24_hours, 0) as openings_within_24_hours,
    coalesce(o.notice_minutes, 0)::bigint as notice_minutes,
    round(o.notice_minutes / 60.0 / nullif(o.openings, 0), 1) as average_notice_hours,
    coalesce(o.openings_refilled, 0) as openings_refilled,
    round(o.openings_refilled::numeric / nullif(o.openings, 0), 4) as refilled_share,
    coalesce(o.openings_rebooked, 0) as openings_rebooked
from visit as v
full join broken as b using (appointment_date, provider_id, clinic_id)
full join opening as o using (appointment_date, provider_id, clinic_id)
full join working as w using (appointment_date, provider_id, clinic_id)
