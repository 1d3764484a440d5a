{{ config(unique_key='plan_id') }}
select
    p.plan_id, p.group_name, p.group_number, p.carrier_id, c.name as carrier_name, p.plan_type,
    p.fee_schedule_id, p.is_medical, p.is_hidden,
    (select count(*) from {{ ref('stg_inssub') }} as s where s.plan_id = p.plan_id) as subscribers
from {{ ref('stg_insplan') }} as p
left join {{ ref('stg_carrier') }} as c on c.carrier_id = p.carrier_id
