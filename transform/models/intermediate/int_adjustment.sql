-- Adjustments of accounts, with the name of their kind.
with adjustment as (
    select * from {{ ref('stg_adjustment') }}
),

definition as (
    select * from {{ ref('stg_definition') }}
)

select
    a.adjustment_id,
    coalesce(a.patient_id, 0) as patient_id,
    coalesce(a.provider_id, 0) as provider_id,
    coalesce(a.clinic_id, 0) as clinic_id,
    a.procedure_id,
    a.adjustment_date,
    a.adjustment_type_id,
    coalesce(t.name, 'unknown ' || a.adjustment_type_id) as adjustment_type,
    a.amount,
    {{ row_version(['a._etl_loaded_at', 't._etl_loaded_at']) }} as _etl_version
from adjustment as a
left join definition as t on t.definition_id = a.adjustment_type_id
