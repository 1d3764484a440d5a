with decoded as (
    select
        {{ as_key('commlog', 'CommlogNum') }} as communication_id,
        {{ as_reference('commlog', 'PatNum') }} as patient_id,
        {{ as_local_time('commlog', 'CommDateTime') }} as contacted_at,
        {{ as_reference('commlog', 'CommType') }} as communication_type_id,
        {{ as_code('commlog', 'Mode_') }} as mode_code,
        {{ as_code('commlog', 'SentOrReceived') }} as direction_code,
        {{ as_reference('commlog', 'UserNum') }} as user_id,
        r._etl_loaded_at
    from {{ raw_rows('commlog') }}
)

select
    d.communication_id,
    d.patient_id,
    d.contacted_at,
    d.communication_type_id,
    d.mode_code,
    {{ code_name('d.mode_code', 'mode_name') }} as mode,
    d.direction_code,
    {{ code_name('d.direction_code', 'direction_name') }} as direction,
    d.user_id,
    d._etl_loaded_at
from decoded as d
{{ join_codes('communication_mode', 'd.mode_code', 'mode_name') }}
{{ join_codes('sent_or_received', 'd.direction_code', 'direction_name') }}
