{{ config(unique_key='procedure_code_id') }}
with procedure_code as (
    select * from {{ ref('stg_procedurecode') }}
),

definition as (
    select * from {{ ref('stg_definition') }}
),

inferred as (
    {{ inferred_members('procedure_code_id', 'stg_procedurecode', ['fact_procedure.procedure_code_id']) }}
)

select
    c.procedure_code_id, c.code, c.description, c.abbreviation,
    coalesce(k.name, 'unknown ' || c.category_id) as category,
    c.is_hygiene, c.is_prosthetic, c.is_radiology, false as is_missing
from procedure_code as c
left join definition as k on k.definition_id = c.category_id
union all
select 0, 'none', 'no procedure code', null, null, false, false, false, true
union all
select key, 'unknown ' || key, 'unknown procedure code ' || key, null, null, false, false, false, true
from inferred
