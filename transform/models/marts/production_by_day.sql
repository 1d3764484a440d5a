{{ config(unique_key=['production_date', 'provider_id', 'clinic_id'], meta={'follows': ['int_production_income'], 'scope': 'production_date'}) }}
{%- call take_changes() %}
select entry_date from {{ changes_of('int_production_income') }} as c
{%- endcall %}
with movement as (
    select * from {{ ref('int_production_income') }}
    where (kind in ('production', 'adjustment') or is_practice_write_off) and {{ in_scope('entry_date') }}
)

select
    entry_date as production_date, provider_id, clinic_id,
    coalesce(sum(amount) filter (where kind = 'production'), 0)::numeric(14, 2) as gross_production,
    coalesce(sum(amount) filter (where kind = 'adjustment'), 0)::numeric(14, 2) as adjustments,
    coalesce(-sum(amount) filter (where is_practice_write_off), 0)::numeric(14, 2) as write_offs,
    sum(amount)::numeric(14, 2) as net_production,
    count(*) filter (where kind = 'production') as procedures,
    count(distinct patient_id) filter (where kind = 'production') as patients
from movement
group by entry_date, provider_id, clinic_id
