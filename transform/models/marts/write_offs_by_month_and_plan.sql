{{ config(unique_key=['month_start', 'plan_id', 'clinic_id']) }}
with write_off as (
    select
        date_trunc('month', write_off_date)::date as month_start, plan_id, clinic_id,
        count(*) as lines, sum(fee)::numeric(14, 2) as fee, sum(write_off)::numeric(14, 2) as write_off
    from {{ ref('int_plan_write_off') }}
    where is_practice_way
    group by 1, 2, 3
),

plan as (
    select * from {{ ref('stg_insplan') }}
)

select
    w.month_start, w.plan_id, w.clinic_id,
    coalesce(p.carrier_id, 0) as carrier_id,
    coalesce(p.fee_schedule_id, 0) as fee_schedule_id,
    p.plan_type,
    w.lines, w.fee, w.write_off,
    (w.fee - w.write_off)::numeric(14, 2) as plan_fee,
    round(w.write_off / nullif(w.fee, 0), 4) as write_off_ratio
from write_off as w
left join plan as p on p.plan_id = w.plan_id
