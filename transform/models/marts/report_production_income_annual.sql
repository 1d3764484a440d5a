{{ config(unique_key=['month_start', 'clinic_id'], meta={'follows': ['int_production_income'], 'scope': 'month_start'}) }}
{%- call take_changes() %}
select date_trunc('month', entry_date)::date from {{ changes_of('int_production_income') }} as c
{%- endcall %}
-- As Production and Income, report type Annual, lists it: one row a month and clinic. Amounts are added up by
-- kind first, and few rows are laid out in columns.
with movement as (
    select date_trunc('month', entry_date)::date as month_start, clinic_id, kind, is_practice_write_off,
        sum(amount) as amount
    from {{ ref('int_production_income') }}
    where kind not in ('scheduled production', 'scheduled discount')
      and {{ in_scope("date_trunc('month', entry_date)::date") }}
    group by 1, 2, 3, 4
)

select
    m.month_start, m.clinic_id,
    {{ production_income_columns() }}
from movement as m
group by m.month_start, m.clinic_id
