{{ config(unique_key='fee_schedule_id') }}
with fee as (
    select * from {{ ref('stg_fee') }}
),

fee_schedule as (
    select * from {{ ref('stg_feesched') }}
)

select
    s.fee_schedule_id, s.name, s.fee_schedule_type, s.is_hidden,
    (select count(*) from fee as f where f.fee_schedule_id = s.fee_schedule_id) as fees,
    false as is_missing
from fee_schedule as s
union all
select 0, 'no fee schedule', null, false, 0, true
