{{ config(unique_key=['report_date', 'clinic_id'], meta={'follows': ['int_production_income'], 'scope': 'report_date'}) }}
{%- call take_changes() %}
select entry_date from {{ changes_of('int_production_income') }} as c
{%- endcall %}
-- As Production and Income, report type Monthly, lists it: one row a day and clinic, with what is scheduled.
with movement as (
    select entry_date, clinic_id, kind, is_practice_write_off, sum(amount) as amount
    from {{ ref('int_production_income') }}
    where {{ in_scope('entry_date') }}
    group by 1, 2, 3, 4
)

select
    m.entry_date as report_date,
    m.clinic_id,
    {{ production_income_columns(has_schedule=true) }}
from movement as m
group by m.entry_date, m.clinic_id
