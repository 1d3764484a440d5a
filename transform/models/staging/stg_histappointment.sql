with decoded as (
    select
        {{ as_key('histappointment', 'HistApptNum') }} as appointment_history_id,
        {{ as_reference('histappointment', 'AptNum') }} as appointment_id,
        {{ as_local_time('histappointment', 'HistDateTStamp') }} as changed_at,
        {{ as_code('histappointment', 'HistApptAction') }} as action_code,
        {{ as_reference('histappointment', 'PatNum') }} as patient_id,
        {{ as_code('histappointment', 'AptStatus') }} as status_code,
        {{ as_text('histappointment', 'Pattern') }} as time_pattern,
        {{ as_reference('histappointment', 'Op') }} as operatory_id,
        {{ as_reference('histappointment', 'ProvNum') }} as provider_id,
        {{ as_reference('histappointment', 'ProvHyg') }} as hygienist_id,
        {{ as_local_time('histappointment', 'AptDateTime') }} as starts_at,
        {{ as_flag('histappointment', 'IsHygiene') }} as is_hygiene,
        {{ as_reference('histappointment', 'ClinicNum') }} as clinic_id,
        r._etl_loaded_at
    from {{ raw_rows('histappointment') }}
)

select
    d.appointment_history_id,
    d.appointment_id,
    d.changed_at,
    d.action_code,
    {{ code_name('d.action_code', 'action_name') }} as action,
    d.patient_id,
    d.status_code,
    {{ code_name('d.status_code', 'status_name') }} as status,
    d.time_pattern,
    d.operatory_id,
    d.provider_id,
    d.hygienist_id,
    d.starts_at,
    d.is_hygiene,
    d.clinic_id,
    d._etl_loaded_at
from decoded as d
{{ join_codes('appointment_history_action', 'd.action_code', 'action_name') }}
{{ join_codes('appointment_status', 'd.status_code', 'status_name') }}
