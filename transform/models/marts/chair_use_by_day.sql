{{ config(unique_key=['appointment_date', 'operatory_id']) }}
with appointment as (
    select * from {{ ref('fact_appointment') }}
),

chair_time as (
    select * from {{ ref('int_chair_time') }}
),

operatory as (
    select * from {{ ref('stg_operatory') }}
),

visit as (
    select
        appointment_date, coalesce(operatory_id, 0) as operatory_id,
        count(*) as visits, sum(minutes) as booked_minutes
    from appointment
    where outcome in ('kept', 'scheduled') and appointment_date > date '1900-01-01'
    group by 1, 2
),

opened as (
    select schedule_date as appointment_date, operatory_id, minutes from chair_time
)

select
    appointment_date, operatory_id, coalesce(c.clinic_id, 0) as clinic_id,
    coalesce(v.visits, 0) as visits, coalesce(v.booked_minutes, 0) as booked_minutes,
    o.minutes as open_minutes,
    round(coalesce(v.booked_minutes, 0)::numeric / nullif(o.minutes, 0), 4) as chair_use
from visit as v
full join opened as o using (appointment_date, operatory_id)
left join operatory as c using (operatory_id)
