-- Minutes that a provider was to work, by day and clinic. Blocks that overlap count once: a dentist
-- who works in two chairs at a time works one hour in an hour.
with working_block as (
    select * from {{ ref('int_working_block') }}
),

working as (
    select
        schedule_date, provider_id, clinic_id,
        range_agg(tsrange(starts_at, stops_at)) as hours
    from working_block
    group by schedule_date, provider_id, clinic_id
)

select
    w.schedule_date, w.provider_id, w.clinic_id,
    (select sum(extract(epoch from upper(h) - lower(h)) / 60) from unnest(w.hours) as h)::integer as minutes
from working as w
