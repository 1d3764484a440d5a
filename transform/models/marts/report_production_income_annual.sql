{{ config(unique_key=['month_start', 'clinic_id']) }}
-- As Production and Income, report type Annual, lists it: one row a month and clinic.
with movement as (
    select * from {{ ref('int_production_income') }}
)

select
    date_trunc('month', m.entry_date)::date as month_start,
    m.clinic_id,
    {{ production_income_columns() }}
from movement as m
where m.kind not in ('scheduled production', 'scheduled discount')
group by date_trunc('month', m.entry_date)::date, m.clinic_id
