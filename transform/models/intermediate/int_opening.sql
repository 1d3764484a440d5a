-- Openings: times of chairs that became free because a visit was broken, as the history of the
-- appointment book tells (histappointment; OpenDental writes "missed" and "cancelled" when D9986 and
-- D9987 are charted, else a change to the status broken; AppointmentL.cs, BreakApptHelper). One row an
-- appointment and time: the first entry that says it is broken. Refilled: another visit that came to
-- the chair after the break took place in that time, or is still to. A visit came there when it was
-- made, or when it was moved there, if the history says so. Rebooked: the patient has come later, or
-- is to.
with history as (
    select
        appointment_history_id, appointment_id, patient_id, provider_id, hygienist_id, is_hygiene, clinic_id,
        operatory_id, starts_at, time_pattern, changed_at, action_code, status_code
    from {{ ref('stg_histappointment') }}
    where starts_at is not null and appointment_id is not null
),

visit as (
    select
        appointment_id, patient_id, operatory_id, appointment_date, starts_at, entered_at,
        starts_at + minutes * interval '1 minute' as ends_at
    from {{ ref('fact_appointment') }}
    where outcome in ('kept', 'scheduled') and starts_at is not null
),

broken as (
    select distinct on (h.appointment_id, h.starts_at)
        h.appointment_history_id, h.appointment_id,
        coalesce(h.patient_id, 0) as patient_id,
        coalesce(case when h.is_hygiene then h.hygienist_id end, h.provider_id, 0) as provider_id,
        coalesce(h.clinic_id, 0) as clinic_id,
        h.operatory_id, h.starts_at,
        5 * coalesce(length(h.time_pattern), 0) as minutes,
        h.changed_at as broken_at,
        case h.action_code when '2' then 'missed' when '3' then 'cancelled' else 'by status' end as broken_kind
    from history as h
    where (h.action_code in ('2', '3') or h.status_code = '5') and h.changed_at is not null
    order by h.appointment_id, h.starts_at, h.changed_at, h.appointment_history_id
),

-- The present chair and time of a visit that was elsewhere before.
moved as (
    select
        v.appointment_id,
        min(h.changed_at) filter (
            where h.starts_at = v.starts_at and h.operatory_id is not distinct from v.operatory_id
        ) as came_at
    from visit as v
    join history as h on h.appointment_id = v.appointment_id
    group by v.appointment_id
    having bool_or(h.starts_at <> v.starts_at or h.operatory_id is distinct from v.operatory_id)
),

-- Made once: the server would look through all that were moved for each opening.
placed as materialized (
    select v.*, coalesce(m.came_at, v.entered_at) as came_at
    from visit as v
    left join moved as m on m.appointment_id = v.appointment_id
),

refilled as (
    select distinct b.appointment_history_id
    from broken as b
    join placed as v
        on v.operatory_id = b.operatory_id and v.appointment_date = b.starts_at::date
        and v.appointment_id <> b.appointment_id and v.came_at >= b.broken_at
        and v.starts_at < b.starts_at + b.minutes * interval '1 minute' and v.ends_at > b.starts_at
),

last_visit as (
    select patient_id, max(starts_at) as starts_at from visit where patient_id <> 0 group by patient_id
)

select
    b.appointment_history_id, b.appointment_id, b.patient_id, b.provider_id, b.clinic_id,
    b.operatory_id, b.starts_at, b.starts_at::date as opening_date, b.minutes, b.broken_at, b.broken_kind,
    -- What is broken after it has begun had no notice.
    greatest(0, extract(epoch from b.starts_at - b.broken_at) / 60)::integer as notice_minutes,
    r.appointment_history_id is not null as is_refilled,
    coalesce(l.starts_at > b.starts_at, false) as is_rebooked
from broken as b
left join refilled as r on r.appointment_history_id = b.appointment_history_id
left join last_visit as l on l.patient_id = b.patient_id
