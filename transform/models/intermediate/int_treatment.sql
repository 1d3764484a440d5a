-- Treatment that was planned on an earlier day than it was done, and whether the patient took it:
-- it is done, or a visit is booked for it. What was deleted, or found elsewhere, was not planned
-- here; a treatment done on the day on which it was found needed no acceptance.
select
    p.procedure_id,
    p.patient_id,
    coalesce(p.provider_id, 0) as provider_id,
    coalesce(p.clinic_id, 0) as clinic_id,
    p.planned_date,
    (p.fee * p.quantity)::numeric(12, 2) as amount,
    p.is_complete,
    p.is_complete or (p.status_code = '1' and coalesce(a.outcome = 'scheduled', false)) as is_accepted
from {{ ref('int_procedure') }} as p
left join {{ ref('int_appointment') }} as a on a.appointment_id = p.appointment_id
where p.status_code in ('1', '2', '5', '8')
  and p.planned_date is not null
  and not (p.is_complete and p.procedure_date <= p.planned_date)
