select
    {{ as_key('scheduleop', 'ScheduleOpNum') }} as schedule_chair_id,
    {{ as_reference('scheduleop', 'ScheduleNum') }} as schedule_id,
    {{ as_reference('scheduleop', 'OperatoryNum') }} as operatory_id,
    r._etl_loaded_at
from {{ raw_rows('scheduleop') }}
