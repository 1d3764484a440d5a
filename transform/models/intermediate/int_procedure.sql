-- Procedures with their gross production: the price times the quantity, on the day of the
-- treatment, of those that are complete. Deleted, planned and existing ones produce nothing.
select
    p.procedure_id,
    p.patient_id,
    p.provider_id,
    p.clinic_id,
    p.procedure_code_id,
    p.appointment_id,
    p.procedure_date,
    p.planned_date,
    p.entry_date,
    p.status_code,
    p.status,
    p.status_code = '2' as is_complete,
    p.tooth,
    p.surface,
    greatest(1, coalesce(p.unit_quantity, 0) + coalesce(p.base_units, 0)) as quantity,
    p.fee,
    case when p.status_code = '2'
         then (p.fee * greatest(1, coalesce(p.unit_quantity, 0) + coalesce(p.base_units, 0)))
         else 0 end::numeric(12, 2) as gross_production,
    array[p._etl_loaded_at]::text as _etl_version
from {{ ref('stg_procedurelog') }} as p
