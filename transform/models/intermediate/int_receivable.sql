-- What families owe, by age. Credits settle the oldest charges of the family first; a charge that
-- they settle in part keeps its age. Credit that is left over is younger than any debt. What is dated
-- after the practice's day has no age yet (later); it counts in the balance, as OpenDental's does,
-- unless the day is past.
with account_entry as (
    select * from {{ ref('int_account_entry') }}
),

practice_day as (
    select * from {{ ref('int_practice_day') }}
),

entry as (
    select
        e.guarantor_id, d.as_of_date - e.entry_date as days, e.entry_kind, e.source_id, e.amount
    from account_entry as e
    cross join practice_day as d
    where e.entry_date <= d.as_of_date or not e.is_scheduled and not d.is_past
),

credit as (
    select guarantor_id, -sum(amount) as amount
    from entry where amount < 0 and days >= 0 group by guarantor_id
),

charge as (
    select
        e.guarantor_id, e.days, e.amount,
        sum(e.amount) over (
            partition by e.guarantor_id order by e.days desc, e.entry_kind, e.source_id
        ) as owed_so_far
    from entry as e
    where e.amount > 0 and e.days >= 0
),

open as (
    select
        c.guarantor_id, c.days,
        least(c.amount, greatest(0, c.owed_so_far - coalesce(k.amount, 0))) as amount
    from charge as c
    left join credit as k on k.guarantor_id = c.guarantor_id
)

select o.guarantor_id, {{ age_bucket('o.days') }} as age_bucket, sum(o.amount)::numeric(12, 2) as balance
from open as o
group by o.guarantor_id, {{ age_bucket('o.days') }}
union all
select k.guarantor_id, 'credit', (coalesce(c.amount, 0) - k.amount)::numeric(12, 2)
from credit as k
left join (select guarantor_id, sum(amount) as amount from charge group by guarantor_id) as c
    on c.guarantor_id = k.guarantor_id
where k.amount > coalesce(c.amount, 0)
union all
select guarantor_id, 'later', sum(amount)::numeric(12, 2)
from entry where days < 0 group by guarantor_id
