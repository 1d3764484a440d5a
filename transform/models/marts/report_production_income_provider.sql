{{ config(unique_key=['month_start', 'provider_id', 'clinic_id'], meta={'follows': ['int_production_income'], 'scope': 'month_start'}) }}
{%- call take_changes() %}
select date_trunc('month', entry_date)::date from {{ changes_of('int_production_income') }} as c
{%- endcall %}
-- As Production and Income, report type Provider, lists it for a month: one row a provider and clinic. It
-- reads what the type Daily reads.
with movement as (
    select date_trunc('month', entry_date)::date as month_start, provider_id, clinic_id, kind,
        is_practice_write_off, sum(amount) as amount
    from {{ ref('int_production_income') }}
    where kind not in ('scheduled production', 'scheduled discount', 'other insurance income')
      and {{ in_scope("date_trunc('month', entry_date)::date") }}
    group by 1, 2, 3, 4, 5
)

select
    m.month_start, m.provider_id, m.clinic_id,
    {{ production_income_columns() }}
from movement as m
group by m.month_start, m.provider_id, m.clinic_id
