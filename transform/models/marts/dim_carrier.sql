{{ config(unique_key='carrier_id') }}
with inferred as (
    {{ inferred_members('carrier_id', 'stg_carrier', ['fact_claim.carrier_id']) }}
)

select c.carrier_id, c.name, c.is_hidden, false as is_missing from {{ ref('stg_carrier') }} as c
union all
select 0, 'no carrier', false, true
union all
select key, 'unknown carrier ' || key, false, true from inferred
