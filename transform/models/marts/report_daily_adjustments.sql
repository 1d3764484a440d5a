{{ config(materialized='kept_view', unique_key='adjustment_id') }}
-- As the report Daily Adjustments lists them (OpenDental's RpAdjSheet.cs).
with stg_patient as (
    select * from {{ ref('stg_patient') }}
),

stg_adjustment as (
    select * from {{ ref('stg_adjustment') }}
),

provider as (
    select * from {{ ref('stg_provider') }}
),

adjustment as (
    select * from {{ ref('fact_adjustment') }}
),

patient as (
    select patient_id, {{ report_name('p') }} as name from stg_patient as p
)

select
    a.adjustment_id, a.adjustment_date as report_date,
    coalesce(a.patient_id, 0) as patient_id, p.name as patient_name,
    coalesce(a.provider_id, 0) as provider_id, d.abbreviation as provider,
    coalesce(a.clinic_id, 0) as clinic_id,
    a.adjustment_type, n.note, a.amount
from adjustment as a
join stg_adjustment as n on n.adjustment_id = a.adjustment_id
left join patient as p on p.patient_id = a.patient_id
left join provider as d on d.provider_id = a.provider_id
where a.adjustment_date is not null
