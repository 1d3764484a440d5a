{{ config(unique_key=['month_end', 'clinic_id']) }}
-- Receivables at the end of each month, closed: a month that is over gets its rows once, and an edit
-- that comes later does not change them. What the books say of that day now stands beside them. The
-- first build closes the 24 months before it. Ages as in report_aging_of_receivables: with C(d) the
-- charges until day d and K the credits until the month's end, max(0, C(d) - K) is what is owed of
-- charges until d, for credits settle the oldest charges first.
{%- set columns = ['month_end', 'clinic_id', 'closed_on', 'balance_0_30', 'balance_31_60', 'balance_61_90',
    'balance_over_90', 'total', 'write_off_estimate', 'insurance_estimate', 'net_production_90_days'] %}
{%- set kept = adapter.get_relation(this.database, this.schema, this.identifier) if execute else none %}
with practice_day as (
    select * from {{ ref('int_practice_day') }}
),

ledger as (
    select * from {{ ref('int_ledger') }}
),

int_account_entry as not materialized (
    select * from {{ ref('int_account_entry') }}
),

patient as not materialized (
    select * from {{ ref('stg_patient') }}
),

claim_procedure as (
    select * from {{ ref('fact_claim_procedure') }}
),

int_family as (
    select * from {{ ref('int_family') }}
),

production_by_day as (
    select * from {{ ref('production_by_day') }}
),

closed as (
    {%- if kept %}
    select {{ columns | join(', ') }} from {{ kept }}
    {%- else %}
    select {% for column in columns %}null::{{ 'date' if column in ('month_end', 'closed_on') else 'bigint' if column == 'clinic_id' else 'numeric(14, 2)' }} as {{ column }}{{ ', ' if not loop.last }}{% endfor %}
    where false
    {%- endif %}
),

-- Months that are over, and not closed yet: the books have gone on since, not the clock alone.
book as (
    select max(l.entry_date) as last_day, d.today
    from practice_day as d
    join ledger as l on l.entry_date <= d.today
    group by d.today
),

due as (
    select (m.month_start + interval '1 month - 1 day')::date as month_end, d.today
    from book as d
    cross join generate_series(
        date_trunc('month', d.last_day) - interval '24 months',
        date_trunc('month', d.last_day) - interval '1 month', interval '1 month'
    ) as m (month_start)
    where not exists (
        select from closed as c where c.month_end = (m.month_start + interval '1 month - 1 day')::date
    )
),

account_entry as (
    select guarantor_id, entry_date, sum(amount) filter (where amount > 0) as charged,
        sum(amount) filter (where amount < 0) as credited
    from int_account_entry
    where exists (select from due)
    group by guarantor_id, entry_date
),

-- Running sums of each family's charges and credits, read at the days that the ages begin.
family as (
    select distinct guarantor_id from account_entry
),

mark as (
    select d.month_end, a.age, d.month_end - a.days as mark_date
    from due as d
    cross join (values ('0', 0), ('31', 31), ('61', 61), ('91', 91)) as a (age, days)
),

running as (
    select
        guarantor_id, month_end, age,
        sum(charged) over upto as charged, sum(credited) over upto as credited
    from (
        select guarantor_id, entry_date as day, coalesce(charged, 0) as charged,
            coalesce(credited, 0) as credited, null::date as month_end, null as age
        from account_entry
        union all
        select f.guarantor_id, m.mark_date, 0, 0, m.month_end, m.age
        from family as f cross join mark as m
    ) as event
    window upto as (partition by guarantor_id order by day range unbounded preceding)
),

owed as (
    select
        guarantor_id, month_end,
        max(charged) filter (where age = '0') as until_0, max(charged) filter (where age = '31') as until_31,
        max(charged) filter (where age = '61') as until_61, max(charged) filter (where age = '91') as until_91,
        -max(credited) filter (where age = '0') as credits
    from running
    where month_end is not null
    group by guarantor_id, month_end
),

aged as (
    select
        o.month_end, coalesce(p.clinic_id, 0) as clinic_id,
        sum(greatest(0, o.until_0 - o.credits) - greatest(0, o.until_31 - o.credits)) as balance_0_30,
        sum(greatest(0, o.until_31 - o.credits) - greatest(0, o.until_61 - o.credits)) as balance_31_60,
        sum(greatest(0, o.until_61 - o.credits) - greatest(0, o.until_91 - o.credits)) as balance_61_90,
        sum(greatest(0, o.until_91 - o.credits)) as balance_over_90,
        sum(o.until_0 - o.credits) as total
    from owed as o
    left join patient as p on p.patient_id = o.guarantor_id
    group by 1, 2
),

pending as (
    select
        d.month_end, coalesce(p.clinic_id, 0) as clinic_id,
        sum(case when c.status_code = '0' then c.write_off_expected else c.write_off end) as write_off_estimate,
        sum(coalesce(c.estimate, 0)) as insurance_estimate
    from due as d
    join claim_procedure as c
        on c.procedure_date <= d.month_end
        and (c.status_code = '0' or c.status_code = '1' and c.payment_date > d.month_end)
    left join int_family as f on f.patient_id = c.patient_id
    left join patient as p on p.patient_id = coalesce(f.guarantor_id, c.patient_id)
    group by 1, 2
),

production as (
    select d.month_end, b.clinic_id, sum(b.net_production) as net_production
    from due as d
    join production_by_day as b
        on b.production_date > d.month_end - 90 and b.production_date <= d.month_end
    group by 1, 2
),

closing as (
    select
        month_end, clinic_id, (select max(today) from due) as closed_on,
        coalesce(a.balance_0_30, 0)::numeric(14, 2) as balance_0_30,
        coalesce(a.balance_31_60, 0)::numeric(14, 2) as balance_31_60,
        coalesce(a.balance_61_90, 0)::numeric(14, 2) as balance_61_90,
        coalesce(a.balance_over_90, 0)::numeric(14, 2) as balance_over_90,
        coalesce(a.total, 0)::numeric(14, 2) as total,
        coalesce(i.write_off_estimate, 0)::numeric(14, 2) as write_off_estimate,
        coalesce(i.insurance_estimate, 0)::numeric(14, 2) as insurance_estimate,
        coalesce(b.net_production, 0)::numeric(14, 2) as net_production_90_days
    from aged as a
    full join pending as i using (month_end, clinic_id)
    full join production as b using (month_end, clinic_id)
),

snapshot as (
    select {{ columns | join(', ') }} from closed
    union all
    select {{ columns | join(', ') }} from closing
),

now as (
    select s.month_end, s.clinic_id, sum(e.amount) as total
    from snapshot as s
    join (
        select coalesce(p.clinic_id, 0) as clinic_id, e.entry_date, sum(e.amount) as amount
        from int_account_entry as e
        left join patient as p on p.patient_id = e.guarantor_id
        group by 1, 2
    ) as e on e.clinic_id = s.clinic_id and e.entry_date <= s.month_end
    group by s.month_end, s.clinic_id
)

select
    s.month_end, s.clinic_id, s.closed_on,
    s.balance_0_30, s.balance_31_60, s.balance_61_90, s.balance_over_90, s.total,
    s.write_off_estimate, s.insurance_estimate,
    (s.total - s.write_off_estimate - s.insurance_estimate)::numeric(14, 2) as patient_portion,
    round(s.balance_over_90 / nullif(s.balance_0_30 + s.balance_31_60 + s.balance_61_90 + s.balance_over_90, 0), 4)
        as share_over_90,
    s.net_production_90_days,
    round(s.total / nullif(s.net_production_90_days / 90, 0), 1) as ar_days,
    coalesce(n.total, 0)::numeric(14, 2) as total_now,
    (coalesce(n.total, 0) - s.total)::numeric(14, 2) as changed_since
from snapshot as s
left join now as n using (month_end, clinic_id)
