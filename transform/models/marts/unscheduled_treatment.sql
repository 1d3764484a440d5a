{{ config(unique_key=['patient_id', 'provider_id', 'clinic_id']) }}
-- Procedures that are planned and not done, by patient: all of them, as the report Treatment Finder adds
-- them up (OpenDental's RpTreatmentFinder.cs), and of them treatment for which no visit is booked.
with planned as (
    select
        p.procedure_id, p.patient_id, p.provider_id, p.clinic_id, p.planned_date, p.appointment_id,
        p.charge as amount, t.procedure_code_id is not null as is_treatment,
        coalesce(p.discount, 0) + coalesce(p.plan_discount, 0) as discount
    from {{ ref('fact_procedure') }} as p
    left join {{ ref('int_treatment_code') }} as t on t.procedure_code_id = p.procedure_code_id
    where p.status_code = '1'
),

booked as (
    select a.appointment_id, a.patient_id, a.appointment_date
    from {{ ref('fact_appointment') }} as a
    cross join {{ ref('int_practice_day') }} as d
    where a.outcome = 'scheduled' and a.appointment_date >= d.as_of_date
),

next_visit as (
    select patient_id, min(appointment_date) as next_visit_date from booked group by patient_id
),

last_visit as (
    select patient_id, max(visit_date) as last_visit_date
    from {{ ref('int_patient_visit') }} group by patient_id
),

-- Estimates of plans for work that no claim has: what an office set, or a carrier said beforehand, is in
-- the place of the program's own.
estimate as (
    select procedure_id,
        sum(coalesce(insurance_estimate_override, insurance_estimate_total, insurance_estimate)) as insurance,
        sum(coalesce(write_off_override, write_off_estimate, 0)) as write_off
    from {{ ref('stg_claimproc') }}
    where status_code in ('6', '8') and procedure_id is not null
    group by procedure_id
),

summed as (
    select
        p.patient_id, p.provider_id, p.clinic_id,
        count(*) as open_procedures, sum(p.amount) as open_amount,
        count(*) filter (where u.is_unscheduled) as unscheduled_procedures,
        sum(p.amount) filter (where u.is_unscheduled) as unscheduled_amount,
        sum(p.amount) filter (where u.is_unscheduled and e.procedure_id is not null) as estimated_amount,
        sum(p.discount) filter (where u.is_unscheduled) as discount,
        sum(e.insurance) filter (where u.is_unscheduled) as insurance_estimate,
        sum(e.write_off) filter (where u.is_unscheduled) as write_off_estimate,
        min(p.planned_date) filter (where u.is_unscheduled) as oldest_planned_date
    from planned as p
    left join estimate as e on e.procedure_id = p.procedure_id
    left join booked as b on b.appointment_id = p.appointment_id
    cross join lateral (select p.is_treatment and b.appointment_id is null as is_unscheduled) as u
    group by p.patient_id, p.provider_id, p.clinic_id
)

select
    s.patient_id, s.provider_id, s.clinic_id,
    n.status as patient_status,
    coalesce(n.status_code = '0' and l.last_visit_date > d.as_of_date - interval '18 months', false)
        as is_active,
    l.last_visit_date, v.next_visit_date,
    s.open_procedures, s.open_amount::numeric(14, 2) as open_amount,
    s.unscheduled_procedures,
    coalesce(s.unscheduled_amount, 0)::numeric(14, 2) as unscheduled_amount,
    coalesce(s.estimated_amount, 0)::numeric(14, 2) as estimated_amount,
    coalesce(s.insurance_estimate, 0)::numeric(14, 2) as insurance_estimate,
    coalesce(s.write_off_estimate, 0)::numeric(14, 2) as write_off_estimate,
    coalesce(s.discount, 0)::numeric(14, 2) as discount,
    (coalesce(s.unscheduled_amount, 0) - coalesce(s.insurance_estimate, 0) - coalesce(s.write_off_estimate, 0)
        - coalesce(s.discount, 0))::numeric(14, 2) as patient_estimate,
    s.oldest_planned_date
from summed as s
cross join {{ ref('int_practice_day') }} as d
left join {{ ref('stg_patient') }} as n on n.patient_id = s.patient_id
left join next_visit as v on v.patient_id = s.patient_id
left join last_visit as l on l.patient_id = s.patient_id
