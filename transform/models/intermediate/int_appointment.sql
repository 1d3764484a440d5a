-- What became of a visit. The provider is the hygienist where the visit is hygiene. A visit on the
-- unscheduled list was put off; planned visits have no day yet and are no visits. A visit that was
-- broken and booked again is scheduled: that it was broken, int_broken_visit tells.
-- Each character of the pattern is five minutes.
with appointment as (
    select * from {{ ref('stg_appointment') }}
),

appointment_type as (
    select * from {{ ref('stg_appointmenttype') }}
)

select
    a.appointment_id,
    coalesce(a.patient_id, 0) as patient_id,
    coalesce(case when a.is_hygiene then a.hygienist_id end, a.provider_id, 0) as provider_id,
    coalesce(a.clinic_id, 0) as clinic_id,
    a.operatory_id,
    a.starts_at,
    a.starts_at::date as appointment_date,
    5 * coalesce(length(a.time_pattern), 0) as minutes,
    a.status_code,
    a.status,
    case a.status_code when '2' then 'kept' when '5' then 'broken' when '3' then 'unscheduled'
        when '1' then 'scheduled' when '4' then 'scheduled' else 'not a visit' end as outcome,
    a.is_new_patient,
    a.is_hygiene,
    t.name as appointment_type,
    a.entered_at,
    {{ row_version(['a._etl_loaded_at', 't._etl_loaded_at']) }} as _etl_version
from appointment as a
left join appointment_type as t on t.appointment_type_id = a.appointment_type_id
