{{ config(unique_key=['month_start', 'clinic_id']) }}
with patient_month as (
    select * from {{ ref('int_patient_month') }}
),

booked as (
    select * from {{ ref('int_booked_visit') }}
),

marked as (
    select patient_id from {{ ref('stg_patient') }} where status_code = '0'
),

-- Days are walked through patient by patient: what was made by the month's last evening and has not
-- ended by it stands in the book.
event as (
    select patient_id, end_date - 1 as event_date, 3 as place, month_start, 0 as stands, 0 as stands_for_hygiene
    from patient_month where end_date is not null
    union all
    select patient_id, made_date, 2, null, 1, is_hygiene::int from booked where made_date < booked_until
    union all
    select patient_id, booked_until, 1, null, -1, -is_hygiene::int from booked where made_date < booked_until
),

walked as (
    select
        patient_id, place, month_start,
        sum(stands) over patient_days as standing,
        sum(stands_for_hygiene) over patient_days as standing_for_hygiene
    from event
    window patient_days as (partition by patient_id order by event_date, place)
),

bookings as (
    select month_start, patient_id, standing_for_hygiene > 0 as has_hygiene
    from walked where place = 3 and standing > 0
),

movement as (
    select month_start, clinic_at_start as clinic_id, 'active at start' as kind, patient_id
    from patient_month where clinic_at_start is not null
    union all
    select month_start, clinic_at_end, 'active at end', patient_id
    from patient_month where clinic_at_end is not null
    union all
    select month_start, clinic_of_change, change, patient_id
    from patient_month where change <> 'stays'
    union all
    select month_start, clinic_of_change, 'moved out', patient_id
    from patient_month where clinic_at_end <> clinic_of_change
    union all
    select month_start, clinic_at_end, 'moved in', patient_id
    from patient_month where clinic_at_end <> clinic_of_change
)

select
    m.month_start, m.clinic_id,
    count(*) filter (where m.kind = 'active at start') as active_at_start,
    count(*) filter (where m.kind = 'new') as new_patients,
    count(*) filter (where m.kind = 'recaptured') as recaptured,
    count(*) filter (where m.kind = 'moved in') as moved_in,
    count(*) filter (where m.kind = 'lost') as lost,
    count(*) filter (where m.kind = 'moved out') as moved_out,
    count(*) filter (where m.kind = 'active at end') as active_at_end,
    count(*) filter (where m.kind in ('new', 'recaptured'))
        - count(*) filter (where m.kind = 'lost') as patient_growth,
    round(
        count(*) filter (where m.kind = 'lost')::numeric
            / nullif(count(*) filter (where m.kind = 'active at start'), 0), 4
    ) as attrition,
    count(p.patient_id) filter (where m.kind = 'active at end') as active_with_status,
    count(b.patient_id) filter (where m.kind = 'active at end') as pre_appointed,
    count(b.patient_id) filter (where m.kind = 'active at end' and b.has_hygiene) as pre_appointed_hygiene,
    round(
        count(b.patient_id) filter (where m.kind = 'active at end')::numeric
            / nullif(count(*) filter (where m.kind = 'active at end'), 0), 4
    ) as pre_appointment,
    round(
        count(b.patient_id) filter (where m.kind = 'active at end' and b.has_hygiene)::numeric
            / nullif(count(*) filter (where m.kind = 'active at end'), 0), 4
    ) as hygiene_pre_appointment
from movement as m
left join marked as p on p.patient_id = m.patient_id
left join bookings as b on b.patient_id = m.patient_id and b.month_start = m.month_start
group by m.month_start, m.clinic_id
