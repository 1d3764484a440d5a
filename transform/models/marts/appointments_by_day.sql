{{ config(unique_key=['appointment_date', 'provider_id', 'clinic_id']) }}
with visit as (
    select
        appointment_date, coalesce(provider_id, 0) as provider_id, coalesce(clinic_id, 0) as clinic_id,
        count(*) as appointments,
        count(*) filter (where outcome = 'kept') as kept,
        count(*) filter (where outcome = 'broken') as broken,
        count(*) filter (where outcome = 'cancelled') as cancelled,
        count(*) filter (where outcome = 'scheduled') as scheduled,
        coalesce(sum(minutes) filter (where outcome = 'kept'), 0) as kept_minutes,
        coalesce(sum(minutes) filter (where outcome in ('kept', 'scheduled')), 0) as booked_minutes
    from {{ ref('int_appointment') }}
    where outcome <> 'not a visit' and appointment_date > date '1900-01-01'
    group by 1, 2, 3
)

select
    coalesce(v.appointment_date, w.schedule_date) as appointment_date,
    coalesce(v.provider_id, w.provider_id) as provider_id,
    coalesce(v.clinic_id, w.clinic_id) as clinic_id,
    coalesce(v.appointments, 0) as appointments, coalesce(v.kept, 0) as kept,
    coalesce(v.broken, 0) as broken, coalesce(v.cancelled, 0) as cancelled,
    coalesce(v.scheduled, 0) as scheduled,
    coalesce(v.kept_minutes, 0) as kept_minutes, coalesce(v.booked_minutes, 0) as booked_minutes,
    w.minutes as offered_minutes,
    round(v.booked_minutes::numeric / nullif(w.minutes, 0), 4) as chair_use
from visit as v
full join {{ ref('int_working_time') }} as w
    on w.schedule_date = v.appointment_date and w.provider_id = v.provider_id and w.clinic_id = v.clinic_id
