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
        e.guarantor_id, d.as_of_date - e.entry_date as days, e.amount
    from account_entry as e
    cross join practice_day as d
    where e.entry_date <= d.as_of_date or not e.is_scheduled and not d.is_past
),

-- With C(d) the charges that are d days old or older and K the credits, max(0, C(d) - K) is what is owed
-- of them.
owed as (
    select
        guarantor_id,
        coalesce(sum(amount) filter (where amount > 0 and days >= 0), 0) as from_0,
        coalesce(sum(amount) filter (where amount > 0 and days > 30), 0) as from_31,
        coalesce(sum(amount) filter (where amount > 0 and days > 60), 0) as from_61,
        coalesce(sum(amount) filter (where amount > 0 and days > 90), 0) as from_91,
        coalesce(-sum(amount) filter (where amount < 0 and days >= 0), 0) as credits,
        sum(amount) filter (where days < 0) as later
    from entry
    group by guarantor_id
)

select o.guarantor_id, b.age_bucket, b.balance::numeric(12, 2) as balance
from owed as o
cross join lateral (values
    ('0-30', o.from_0 > o.from_31, greatest(0, o.from_0 - o.credits) - greatest(0, o.from_31 - o.credits)),
    ('31-60', o.from_31 > o.from_61, greatest(0, o.from_31 - o.credits) - greatest(0, o.from_61 - o.credits)),
    ('61-90', o.from_61 > o.from_91, greatest(0, o.from_61 - o.credits) - greatest(0, o.from_91 - o.credits)),
    ('over 90', o.from_91 > 0, greatest(0, o.from_91 - o.credits)),
    ('credit', o.credits > o.from_0, o.from_0 - o.credits),
    ('later', o.later is not null, o.later)
) as b (age_bucket, is_there, balance)
where b.is_there
