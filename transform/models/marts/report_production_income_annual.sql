{{ config(unique_key=['month_start', 'clinic_id'], meta={'follows': ['int_production_income'], 'scope': 'month_start'}) }}
{%- call take_changes() %}
select date_trunc('month', entry_date)::date from {{ changes_of('int_production_income') }} as c
{%- endcall %}
-- As Production and Income, report type Annual, lists it: one row a month and clinic.
with movement as (
    select * from {{ ref('int_production_income') }} where {{ in_scope("date_trunc('month', entry_date)::date") }}
)

select
    date_trunc('month', m.entry_date)::date as month_start,
    m.clinic_id,
    {{ production_income_columns() }}
from movement as m
where m.kind not in ('scheduled production', 'scheduled discount')
group by date_trunc('month', m.entry_date)::date, m.clinic_id
