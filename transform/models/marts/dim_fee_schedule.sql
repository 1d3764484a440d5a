{{ config(unique_key='fee_schedule_id') }}
select
    s.fee_schedule_id, s.name, s.fee_schedule_type, s.is_hidden,
    (select count(*) from {{ ref('stg_fee') }} as f where f.fee_schedule_id = s.fee_schedule_id) as fees
from {{ ref('stg_feesched') }} as s
