-- Minutes that a provider was to work, by day and clinic.
select
    s.schedule_date,
    s.provider_id,
    coalesce(s.clinic_id, 0) as clinic_id,
    sum(extract(epoch from s.stop_time - s.start_time) / 60)::integer as minutes
from {{ ref('stg_schedule') }} as s
where s.schedule_type_code = '1' and s.provider_id is not null and s.schedule_date is not null
group by s.schedule_date, s.provider_id, coalesce(s.clinic_id, 0)
