{{ config(unique_key='date_day') }}
with practice_day as (
    select * from {{ ref('int_practice_day') }}
),

ledger as (
    select * from {{ ref('int_ledger') }}
),

span as (
    select
        least(min(l.entry_date), min(d.as_of_date)) as first_day,
        max(d.as_of_date) as as_of_date, max(d.today) as today
    from practice_day as d
    -- An entry with a wrong year makes no centuries.
    left join ledger as l on l.entry_date >= date '1990-01-01'
)

select
    g.day::date as date_day,
    extract(year from g.day)::integer as year,
    extract(quarter from g.day)::integer as quarter,
    extract(month from g.day)::integer as month,
    date_trunc('month', g.day)::date as month_start,
    (date_trunc('month', g.day) + interval '1 month - 1 day')::date as month_end,
    extract(isodow from g.day)::integer as iso_weekday,
    to_char(g.day, 'FMDay') as weekday,
    g.day::date = s.as_of_date as is_practice_day,
    date_trunc('month', g.day) < date_trunc('month', s.as_of_date) as is_full_month
from span as s
cross join generate_series(
    date_trunc('year', s.first_day),
    date_trunc('year', s.today) + interval '2 years - 1 day', interval '1 day'
) as g (day)
