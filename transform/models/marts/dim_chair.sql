{{ config(unique_key='operatory_id') }}
select operatory_id, name, abbreviation, coalesce(clinic_id, 0) as clinic_id, is_hygiene, is_hidden
from {{ ref('stg_operatory') }}
union all
select 0, 'no chair', 'none', 0, false, false
