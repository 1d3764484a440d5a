-- Visits that stand or stood in the book, and from when until when, so that it can be told what was
-- booked at the end of a day: made by then, for a later day, and not broken by then. A broken visit
-- was booked until its history says that it was broken (int_opening), else until its day. A visit is
-- hygiene by the appointment's own mark, or by a hygiene code that is planned for it or was done. The
-- day is that of today: where a visit was moved, the book does not say for certain where it stood.
with hygiene_work as (
    select distinct p.appointment_id
    from {{ ref('fact_procedure') }} as p
    join {{ ref('stg_procedurecode') }} as c on c.procedure_code_id = p.procedure_code_id
    where p.appointment_id is not null and p.status_code in ('1', '2') and {{ is_hygiene_code('c') }}
),

broken as (
    select appointment_id, starts_at, min(broken_at)::date as broken_date
    from {{ ref('int_opening') }} group by appointment_id, starts_at
)

select
    a.appointment_id, a.patient_id, a.outcome,
    coalesce(a.is_hygiene, false) or h.appointment_id is not null as is_hygiene,
    a.entered_at::date as made_date,
    a.appointment_date as visit_date,
    case when a.outcome = 'broken'
         then least(coalesce(b.broken_date, a.appointment_date), a.appointment_date, d.as_of_date)
         else a.appointment_date end as booked_until
from {{ ref('fact_appointment') }} as a
cross join {{ ref('int_practice_day') }} as d
left join hygiene_work as h on h.appointment_id = a.appointment_id
left join broken as b on b.appointment_id = a.appointment_id and b.starts_at = a.starts_at
where a.outcome in ('kept', 'scheduled', 'broken') and a.appointment_date is not null
  and a.patient_id <> 0
