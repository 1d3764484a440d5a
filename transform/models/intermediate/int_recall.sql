-- Recalls and how they stand on the practice's day: off (the patient is not called back, or has
-- left), booked, overdue, due within 30 days, or later. Patients who never had the visit have none.
select
    r.recall_id,
    r.patient_id,
    coalesce(p.clinic_id, 0) as clinic_id,
    r.recall_type_id,
    t.name as recall_type,
    r.due_date,
    r.previous_date,
    r.scheduled_date,
    case when r.is_disabled or coalesce(p.status_code, '4') <> '0' then 'off'
         when r.due_date is null then 'never done'
         when r.scheduled_date >= d.as_of_date then 'booked'
         when r.due_date < d.as_of_date then 'overdue'
         when r.due_date <= d.as_of_date + 30 then 'due'
         else 'later' end as recall_state
from {{ ref('stg_recall') }} as r
cross join {{ ref('int_practice_day') }} as d
left join {{ ref('stg_patient') }} as p on p.patient_id = r.patient_id
left join {{ ref('stg_recalltype') }} as t on t.recall_type_id = r.recall_type_id
