{{ config(materialized='kept_view', unique_key='procedure_id') }}
-- As the report Procedures lists them, one by one (OpenDental's RpProcSheet.cs): what was completed,
-- price times quantity, without what capitation wrote off.
with stg_patient as (
    select * from {{ ref('stg_patient') }}
),

provider as (
    select * from {{ ref('stg_provider') }}
),

done as (
    select * from {{ ref('fact_procedure') }} where is_complete
),

code as (
    select * from {{ ref('dim_procedure_code') }}
),

patient as (
    select patient_id, {{ report_name('p') }} as name from stg_patient as p
)

select
    r.procedure_id, r.procedure_date as report_date,
    coalesce(r.patient_id, 0) as patient_id, p.name as patient_name,
    k.code, k.category, r.tooth, k.description,
    coalesce(r.provider_id, 0) as provider_id, d.abbreviation as provider,
    coalesce(r.clinic_id, 0) as clinic_id,
    r.gross_production as fee
from done as r
left join code as k on k.procedure_code_id = r.procedure_code_id
left join patient as p on p.patient_id = r.patient_id
left join provider as d on d.provider_id = r.provider_id
where r.procedure_date is not null
