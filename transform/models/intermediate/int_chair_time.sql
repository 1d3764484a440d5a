-- Minutes for which a chair was open, by day: some provider was to work in it. Providers who are in
-- it at the same time open it once. Blocked times are not taken off.
with working_block as (
    select * from {{ ref('int_working_block') }}
),

opened as (
    select
        schedule_date, operatory_id, min(chair_clinic_id) as clinic_id,
        range_agg(tsrange(starts_at, stops_at)) as hours
    from working_block
    where operatory_id <> 0
    group by schedule_date, operatory_id
)

select
    o.schedule_date, o.operatory_id, o.clinic_id,
    (select sum(extract(epoch from upper(h) - lower(h)) / 60) from unnest(o.hours) as h)::integer as minutes
from opened as o
