{{ config(unique_key=['counted_by', 'source_id']) }}
{#- The report's three ways; it leaves out rows without a patient or provider that is there. -#}
with stg_patient as (
    select * from {{ ref('stg_patient') }}
),

stg_provider as (
    select * from {{ ref('stg_provider') }}
),

stg_clinic as (
    select * from {{ ref('stg_clinic') }}
),

broken_visit as (
    select * from {{ ref('int_broken_visit') }}
),

adjustment as (
    select * from {{ ref('stg_adjustment') }}
),

appointment as (
    select * from {{ ref('stg_appointment') }}
),

patient as (
    select patient_id, concat_ws(', ', last_name, first_name) as patient from stg_patient
),

provider as (
    select provider_id, abbreviation from stg_provider
),

clinic as (
    select clinic_id, name from stg_clinic
),

event as (
    select
        'procedure' as counted_by, b.procedure_id as source_id, b.broken_date,
        null::timestamp as starts_at, b.procedure_code, b.patient_id, b.provider_id,
        null::bigint as hygienist_id, null::boolean as is_hygiene, b.clinic_id, b.fee as amount
    from broken_visit as b
    join provider as d on d.provider_id = b.provider_id
    union all
    select
        'adjustment', a.adjustment_id, a.adjustment_date, null, null, a.patient_id, a.provider_id,
        null, null, a.clinic_id, a.amount
    from adjustment as a
    join provider as d on d.provider_id = a.provider_id
    where a.adjustment_type_id::text = {{ preference('BrokenAppointmentAdjustmentType') }}
    union all
    select
        'status', a.appointment_id, a.starts_at::date, a.starts_at, null, a.patient_id, a.provider_id,
        a.hygienist_id, a.is_hygiene, a.clinic_id, null
    from appointment as a
    where a.status_code = '5'
)

select
    e.counted_by, e.source_id, e.broken_date, e.starts_at,
    coalesce(e.provider_id, 0) as provider_id, d.abbreviation as provider,
    coalesce(e.hygienist_id, 0) as hygienist_id, h.abbreviation as hygienist, e.is_hygiene,
    e.procedure_code, e.patient_id, p.patient,
    coalesce(e.clinic_id, 0) as clinic_id, coalesce(c.name, 'Unassigned') as clinic, e.amount
from event as e
join patient as p on p.patient_id = e.patient_id
left join provider as d on d.provider_id = e.provider_id
left join provider as h on h.provider_id = e.hygienist_id
left join clinic as c on c.clinic_id = e.clinic_id
