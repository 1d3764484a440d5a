{{ config(unique_key='operatory_id') }}
with operatory as (
    select * from {{ ref('stg_operatory') }}
)

select operatory_id, name, abbreviation, coalesce(clinic_id, 0) as clinic_id, is_hygiene, is_hidden
from operatory
union all
select 0, 'no chair', 'none', 0, false, false
