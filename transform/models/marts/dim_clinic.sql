{{ config(unique_key='clinic_id') }}
select clinic_id, name, abbreviation, city, is_hidden as is_closed from {{ ref('stg_clinic') }}
union all
select 0, 'no clinic', 'none', null, false
