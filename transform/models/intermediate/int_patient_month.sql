-- Patients by month: who is active at its end, and who came, came back or was lost in it. Active is
-- who was treated in the 18 months before, wherever the count is taken, so that
-- active at the start + new + recaptured - lost = active at the end. The office's date of the first
-- visit counts as a visit where it is older than the books. The clinic is that of the last treatment
-- until then. Months begin 18 months after the first treatment in the books, for before that nobody
-- can be told to be lost; the month that runs is counted up to the practice's day.
with new_patient as (
    select * from {{ ref('int_new_patient') }}
),

practice_day as (
    select as_of_date from {{ ref('int_practice_day') }}
),

treated as (
    select patient_id, visit_date, coalesce(clinic_id, 0) as clinic_id from {{ ref('int_patient_visit') }}
),

visit as (
    select t.patient_id, t.visit_date, t.clinic_id
    from treated as t
    join new_patient as n on n.patient_id = t.patient_id
    union all
    select n.patient_id, n.first_visit_date, n.clinic_id
    from new_patient as n
    where not exists (
        select from treated as t where t.patient_id = n.patient_id and t.visit_date = n.first_visit_date
    )
),

span as (
    select v.*, lead(v.visit_date) over (partition by v.patient_id order by v.visit_date) as next_date
    from visit as v
    cross join practice_day as d
    where v.visit_date <= d.as_of_date
),

month as (
    select
        g.day::date as month_start, {{ month_number('g.day') }} as month_number,
        (g.day + interval '1 month')::date > d.as_of_date as is_last,
        least((g.day + interval '1 month')::date, d.as_of_date + 1) as end_date
    from practice_day as d
    cross join generate_series(
        date_trunc('month', (select min(visit_date) from treated)) + interval '18 months',
        date_trunc('month', d.as_of_date), interval '1 month'
    ) as g (day)
),

-- A visit makes active at the starts of the 18 months after its own, until the next visit does.
at_start as (
    select m.month_number, m.month_start, s.patient_id, s.clinic_id
    from span as s
    cross join (select min(month_number) as first_month from month) as f
    cross join lateral generate_series(
        greatest({{ month_number('s.visit_date') }} + 1, f.first_month),
        least({{ month_number('s.visit_date') }} + 18, {{ month_number('s.next_date') }})
    ) as g (month_number)
    join month as m on m.month_number = g.month_number
),

-- A month ends where the next one starts, the last one on the evening of the practice's day.
at_end as (
    select m.month_start, m.end_date, a.patient_id, a.clinic_id
    from month as m
    join at_start as a on a.month_number = m.month_number + 1
    union all
    select m.month_start, m.end_date, s.patient_id, s.clinic_id
    from month as m
    join span as s
        on s.visit_date < m.end_date and s.visit_date >= (m.end_date - interval '18 months')::date
        and (s.next_date is null or s.next_date >= m.end_date)
    where m.is_last
)

select
    month_start, patient_id, e.end_date,
    s.clinic_id as clinic_at_start,
    e.clinic_id as clinic_at_end,
    case when s.patient_id is not null and e.patient_id is not null then 'stays'
         when s.patient_id is not null then 'lost'
         when n.first_visit_date >= month_start then 'new' else 'recaptured' end as change,
    -- Where the change counts: new ones at the clinic of the first treatment.
    case when s.patient_id is not null then s.clinic_id
         when n.first_visit_date >= month_start then n.clinic_id else e.clinic_id end as clinic_of_change
from at_start as s
full join at_end as e using (month_start, patient_id)
join new_patient as n using (patient_id)
