{{ config(unique_key=['appointment_date', 'provider_id', 'clinic_id']) }}
with visit as (
    select
        appointment_date, coalesce(provider_id, 0) as provider_id, coalesce(clinic_id, 0) as clinic_id,
        count(*) as appointments,
        count(*) filter (where outcome = 'kept') as kept,
        count(*) filter (where outcome = 'broken') as broken_by_status,
        count(*) filter (where outcome = 'unscheduled') as unscheduled_by_status,
        count(*) filter (where outcome = 'scheduled') as scheduled,
        coalesce(sum(minutes) filter (where outcome = 'kept'), 0) as kept_minutes,
        coalesce(sum(minutes) filter (where outcome in ('kept', 'scheduled')), 0) as booked_minutes
    from {{ ref('int_appointment') }}
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
    round(coalesce(v.booked_minutes, 0)::numeric / nullif(w.minutes, 0), 4) as provider_use
from visit as v
full join broken as b using (appointment_date, provider_id, clinic_id)
full join working as w using (appointment_date, provider_id, clinic_id)
