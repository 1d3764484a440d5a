with decoded as (
    select
        {{ as_key('feesched', 'FeeSchedNum') }} as fee_schedule_id,
        {{ as_text('feesched', 'Description') }} as name,
        {{ as_code('feesched', 'FeeSchedType') }} as fee_schedule_type_code,
        {{ as_flag('feesched', 'IsHidden') }} as is_hidden,
        r._etl_loaded_at
    from {{ raw_rows('feesched') }}
)

select
    d.fee_schedule_id,
    d.name,
    d.fee_schedule_type_code,
    {{ code_name('d.fee_schedule_type_code', 'fee_schedule_type_name') }} as fee_schedule_type,
    d.is_hidden,
    d._etl_loaded_at
from decoded as d
{{ join_codes('fee_schedule_type', 'd.fee_schedule_type_code', 'fee_schedule_type_name') }}
