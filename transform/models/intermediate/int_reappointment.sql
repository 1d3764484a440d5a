-- Hygiene visits, and whether the patient left with the next one: a hygiene visit for a later day that
-- was in the book at the end of the day; and whether there is one by today, kept or still to come.
-- Days are walked through patient by patient: what was made by a day and has not ended by it stands.
with visit as (
    select patient_id, visit_date, coalesce(clinic_id, 0) as clinic_id
    from {{ ref('int_patient_visit') }} where has_hygiene
),

booked as (
    select * from {{ ref('int_booked_visit') }} where is_hygiene
),

event as (
    select patient_id, visit_date as event_date, 3 as place, clinic_id, 0 as stands, null::date as next_date
    from visit
    union all
    select patient_id, made_date, 2, null, 1, null from booked where made_date < booked_until
    union all
    select patient_id, booked_until, 1, null, -1, null from booked where made_date < booked_until
    union all
    select patient_id, visit_date, 1, null, 0, visit_date from booked where outcome in ('kept', 'scheduled')
),

walked as (
    select
        patient_id, event_date, place, clinic_id,
        sum(stands) over (partition by patient_id order by event_date, place) as standing,
        max(next_date) over (partition by patient_id) as last_date
    from event
)

select
    patient_id, event_date as visit_date, clinic_id,
    standing > 0 as left_with_next,
    coalesce(last_date > event_date, false) as has_next_by_today
from walked
where place = 3
