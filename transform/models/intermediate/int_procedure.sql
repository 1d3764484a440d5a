-- Procedures with what they charge and what they produce, on the day of the treatment, where they are
-- complete. Deleted, planned and existing ones produce nothing.
-- The quantity is UnitQty + BaseUnits as they are, so that 0 counts 0 (OpenDental's RpProdInc.cs,
-- RpProcSheet.cs, Ledgers.cs). What a capitation plan writes off (claimproc 7) was never to be paid:
-- production is without it, on the procedure's day; a patient's account has both (Ledgers.cs).
with claim_line as (
    select * from {{ ref('stg_claimproc') }}
),

done as (
    select * from {{ ref('stg_procedurelog') }}
),

capitation as (
    select procedure_id, sum(write_off) as write_off, count(*) as lines, max(_etl_loaded_at) as _etl_loaded_at
    from claim_line
    where status_code = '7'
    group by procedure_id
),

priced as (
    select
        p.*,
        coalesce(p.unit_quantity, 0) + coalesce(p.base_units, 0) as quantity,
        coalesce(c.write_off, 0) as capitation_write_off,
        {{ row_version(['p._etl_loaded_at', 'c._etl_loaded_at'], others='coalesce(c.lines, 0)') }} as _etl_version
    from done as p
    left join capitation as c on c.procedure_id = p.procedure_id
)

select
    p.procedure_id,
    coalesce(p.patient_id, 0) as patient_id,
    coalesce(p.provider_id, 0) as provider_id,
    coalesce(p.clinic_id, 0) as clinic_id,
    coalesce(p.procedure_code_id, 0) as procedure_code_id,
    p.appointment_id,
    p.procedure_date,
    p.planned_date,
    p.entry_date,
    p.status_code,
    p.status,
    p.status_code = '2' as is_complete,
    p.tooth,
    p.surface,
    p.quantity,
    p.fee,
    p.discount,
    p.plan_discount,
    (p.fee * p.quantity)::numeric(12, 2) as charge,
    case when p.status_code = '2' then p.capitation_write_off else 0 end::numeric(12, 2)
        as capitation_write_off,
    case when p.status_code = '2' then p.fee * p.quantity - p.capitation_write_off else 0 end::numeric(12, 2)
        as gross_production,
    p._etl_version
from priced as p
