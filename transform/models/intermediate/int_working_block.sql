-- Blocks of a provider's working hours in the chairs in which they are. OpenDental keeps a
-- provider's block without a clinic (ClinicNum 0) and attaches chairs to it (scheduleop); where none
-- is attached, the provider works in the chairs of which they are the dentist or the hygienist
-- (Operatory.cs; manual, pages operatoryedit and schedulesetup). One row a block and chair; without
-- any chair one with chair 0.
with schedule as (
    select * from {{ ref('stg_schedule') }}
),

operatory as (
    select * from {{ ref('stg_operatory') }}
),

schedule_chair as (
    select * from {{ ref('stg_scheduleop') }}
),

provider_block as (
    select
        s.schedule_id, s.schedule_date, s.provider_id, s.clinic_id,
        s.schedule_date + s.start_time as starts_at, s.schedule_date + s.stop_time as stops_at
    from schedule as s
    where s.schedule_type_code = '1' and s.provider_id is not null and s.schedule_date is not null
      and s.stop_time > s.start_time
),

chair as (
    select operatory_id, clinic_id, dentist_id, hygienist_id, is_hidden from operatory
),

attached as (
    select distinct a.schedule_id, a.operatory_id, c.clinic_id
    from schedule_chair as a
    left join chair as c on c.operatory_id = a.operatory_id
    where a.operatory_id is not null
),

placed as (
    select b.schedule_id, a.operatory_id, a.clinic_id
    from provider_block as b
    join attached as a on a.schedule_id = b.schedule_id
    union all
    select b.schedule_id, c.operatory_id, c.clinic_id
    from provider_block as b
    join chair as c on (c.dentist_id = b.provider_id or c.hygienist_id = b.provider_id) and not c.is_hidden
    where not exists (select from attached as a where a.schedule_id = b.schedule_id)
)

select
    b.schedule_id,
    coalesce(p.operatory_id, 0) as operatory_id,
    b.schedule_date, b.provider_id, b.starts_at, b.stops_at,
    coalesce(p.clinic_id, 0) as chair_clinic_id,
    -- Chairs of several clinics do not say in which the provider is.
    coalesce(b.clinic_id, case
        when min(coalesce(p.clinic_id, 0)) over (partition by b.schedule_id)
           = max(coalesce(p.clinic_id, 0)) over (partition by b.schedule_id)
        then coalesce(p.clinic_id, 0) end, 0) as clinic_id
from provider_block as b
left join placed as p on p.schedule_id = b.schedule_id
