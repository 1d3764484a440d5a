with decoded as (
    select
        {{ as_key('appointment', 'AptNum') }} as appointment_id,
        {{ as_reference('appointment', 'PatNum') }} as patient_id,
        {{ as_code('appointment', 'AptStatus') }} as status_code,
        {{ as_text('appointment', 'Pattern') }} as time_pattern,
        {{ as_reference('appointment', 'Op') }} as operatory_id,
        {{ as_reference('appointment', 'ProvNum') }} as provider_id,
        {{ as_reference('appointment', 'ProvHyg') }} as hygienist_id,
        {{ as_local_time('appointment', 'AptDateTime') }} as starts_at,
        {{ as_reference('appointment', 'NextAptNum') }} as planned_appointment_id,
        {{ as_flag('appointment', 'IsNewPatient') }} as is_new_patient,
        {{ as_flag('appointment', 'IsHygiene') }} as is_hygiene,
        {{ as_reference('appointment', 'ClinicNum') }} as clinic_id,
        {{ as_reference('appointment', 'AppointmentTypeNum') }} as appointment_type_id,
        {{ as_local_time('appointment', 'DateTimeArrived') }} as arrived_at,
        {{ as_local_time('appointment', 'DateTimeSeated') }} as seated_at,
        {{ as_local_time('appointment', 'DateTimeDismissed') }} as dismissed_at,
        {{ as_local_time('appointment', 'SecDateTEntry') }} as entered_at,
        r._etl_loaded_at
    from {{ raw_rows('appointment') }}
)

select
    d.appointment_id,
    d.patient_id,
    d.status_code,
    {{ code_name('d.status_code', 'status_name') }} as status,
    d.time_pattern,
    d.operatory_id,
    d.provider_id,
    d.hygienist_id,
    d.starts_at,
    d.planned_appointment_id,
    d.is_new_patient,
    d.is_hygiene,
    d.clinic_id,
    d.appointment_type_id,
    d.arrived_at,
    d.seated_at,
    d.dismissed_at,
    d.entered_at,
    d._etl_loaded_at
from decoded as d
{{ join_codes('appointment_status', 'd.status_code', 'status_name') }}
