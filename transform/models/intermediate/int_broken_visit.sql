-- Visits that were broken, by the codes that the desk charts: D9986 missed, D9987 cancelled. The
-- codes stay when the appointment is booked again, so this is the record of what did not take place
-- (RpBrokenAppointments.cs; manual, pages apptbreak and reportbrokenappt). Complete ones only: a code
-- that was deleted is forgiven.
with procedure_log as (
    select * from {{ ref('stg_procedurelog') }}
),

procedure_code as (
    select * from {{ ref('stg_procedurecode') }}
)

select
    p.procedure_id,
    p.patient_id,
    p.provider_id,
    p.clinic_id,
    p.procedure_date as broken_date,
    c.code as procedure_code,
    case c.code when 'D9986' then 'missed' else 'cancelled' end as broken_kind,
    p.fee
from procedure_log as p
join procedure_code as c on c.procedure_code_id = p.procedure_code_id
where p.status_code = '2' and c.code in ('D9986', 'D9987')
