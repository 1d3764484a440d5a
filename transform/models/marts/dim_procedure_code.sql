{{ config(unique_key='procedure_code_id') }}
select
    c.procedure_code_id, c.code, c.description, c.abbreviation,
    coalesce(k.name, 'unknown ' || c.category_id) as category,
    c.is_hygiene, c.is_prosthetic, c.is_radiology
from {{ ref('stg_procedurecode') }} as c
left join {{ ref('stg_definition') }} as k on k.definition_id = c.category_id
