{{ config(unique_key=['collection_date', 'provider_id', 'clinic_id'], meta={'follows': ['int_production_income'], 'scope': 'collection_date'}) }}
{%- call take_changes() %}
select entry_date from {{ changes_of('int_production_income') }} as c
{%- endcall %}
with production_income as (
    select * from {{ ref('int_production_income') }}
),

movement as (
    select
        entry_date, provider_id, clinic_id, amount,
        kind in ('patient income', 'unearned income') as is_of_patient
    from production_income
    where kind in ('patient income', 'unearned income', 'insurance income', 'other insurance income')
      and {{ in_scope('entry_date') }}
)

select
    entry_date as collection_date, provider_id, clinic_id,
    coalesce(sum(amount) filter (where is_of_patient), 0)::numeric(14, 2) as patient_payments,
    coalesce(sum(amount) filter (where not is_of_patient), 0)::numeric(14, 2) as insurance_payments,
    sum(amount)::numeric(14, 2) as collections
from movement
group by entry_date, provider_id, clinic_id
