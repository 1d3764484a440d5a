{{ config(unique_key='carrier_id') }}
with carrier as (
    select * from {{ ref('stg_carrier') }}
),

inferred as (
    {{ inferred_members('carrier_id', 'stg_carrier', ['fact_claim.carrier_id']) }}
)

select c.carrier_id, c.name, c.is_hidden, false as is_missing from carrier as c
union all
select 0, 'no carrier', false, true
union all
select key, 'unknown carrier ' || key, false, true from inferred
