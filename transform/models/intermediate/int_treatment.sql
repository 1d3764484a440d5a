-- Treatment that was planned for a patient: every procedure with a day of planning (DateTP) that is
-- treatment, which is CDT D2000 to D9999 without hygiene (the code's own mark, and gum care D4341,
-- D4342, D4346, D4355, D4381, D4910) and without the codes of broken visits. Exams, films and
-- cleanings that are booked ahead need no acceptance. What was deleted or done elsewhere is left out.
-- Presented: on a saved treatment plan (treatplan, proctp), or done at once. Accepted: done, or a
-- visit is booked for it. Done the same day: on the day on which it was planned.
with treatment_code as (
    select procedure_code_id, code
    from {{ ref('stg_procedurecode') }}
    where code ~ '^D[2-9]'
      and not coalesce(is_hygiene, false)
      and code not in ('D4341', 'D4342', 'D4346', 'D4355', 'D4381', 'D4910', 'D9986', 'D9987')
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
    from {{ ref('int_procedure') }} as p
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
left join {{ ref('int_appointment') }} as a on a.appointment_id = p.appointment_id
