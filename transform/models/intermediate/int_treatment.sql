-- Treatment that was planned for a patient: every procedure of a code of treatment with a day of planning
-- (DateTP). What was deleted or done elsewhere is left out.
-- Presented: on a saved treatment plan (treatplan, proctp), or done at once. Accepted: done, or a
-- visit is booked for it. Done the same day: on the day on which it was planned.
with treatment_code as (
    select * from {{ ref('int_treatment_code') }}
),

presented as (
    select distinct l.procedure_id
    from {{ ref('stg_proctp') }} as l
    join {{ ref('stg_treatplan') }} as t on t.treatment_plan_id = l.treatment_plan_id
    where t.status_code = '0' and l.procedure_id is not null
),

planned as (
    select
        p.procedure_id, p.patient_id, p.provider_id, p.clinic_id, p.procedure_code_id, p.appointment_id,
        p.planned_date, p.status_code, p.is_complete, p.fee * p.quantity as amount,
        p.is_complete and p.procedure_date <= p.planned_date as is_done_same_day
    from {{ ref('fact_procedure') }} as p
    where p.status_code in ('1', '2', '5', '8') and p.planned_date is not null
)

select
    p.procedure_id,
    p.patient_id,
    coalesce(p.provider_id, 0) as provider_id,
    coalesce(p.clinic_id, 0) as clinic_id,
    p.planned_date,
    c.code as procedure_code,
    p.amount::numeric(12, 2) as amount,
    t.procedure_id is not null or p.is_done_same_day as is_presented,
    p.is_complete or (p.status_code = '1' and coalesce(a.outcome = 'scheduled', false)) as is_accepted,
    p.is_complete,
    p.is_done_same_day
from planned as p
join treatment_code as c on c.procedure_code_id = p.procedure_code_id
left join presented as t on t.procedure_id = p.procedure_id
left join {{ ref('fact_appointment') }} as a on a.appointment_id = p.appointment_id
