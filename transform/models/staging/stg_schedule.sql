with decoded as (
    select
        {{ as_key('schedule', 'ScheduleNum') }} as schedule_id,
        {{ as_date('schedule', 'SchedDate') }} as schedule_date,
        {{ as_time_of_day('schedule', 'StartTime') }} as start_time,
        {{ as_time_of_day('schedule', 'StopTime') }} as stop_time,
        {{ as_code('schedule', 'SchedType') }} as schedule_type_code,
        {{ as_reference('schedule', 'ProvNum') }} as provider_id,
        {{ as_reference('schedule', 'ClinicNum') }} as clinic_id,
        r._etl_loaded_at
    from {{ raw_rows('schedule') }}
)

select
    d.schedule_id,
    d.schedule_date,
    d.start_time,
    d.stop_time,
    d.schedule_type_code,
    {{ code_name('d.schedule_type_code', 'schedule_type_name') }} as schedule_type,
    d.provider_id,
    d.clinic_id,
    d._etl_loaded_at
from decoded as d
{{ join_codes('schedule_type', 'd.schedule_type_code', 'schedule_type_name') }}
