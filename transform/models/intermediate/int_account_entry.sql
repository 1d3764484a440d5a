-- What families' accounts hold: the ledger, and what payment plans do to it. What carriers paid on a
-- plan of theirs is not counted, for the plan's credit was. Where plans are not aged, or only their
-- credits are, payments on plans are not counted either (OpenDental's Ledgers.cs).
with payment_plan_entry as (
    select * from {{ ref('int_payment_plan_entry') }}
),

family as (
    select * from {{ ref('int_family') }}
),

ledger as (
    select * from {{ ref('int_ledger') }}
),

entry as (
    select
        l.entry_kind, l.source_id, l.entry_date, l.patient_id, l.payment_plan_id,
        false as is_scheduled, l.amount
    from ledger as l
    cross join (select {{ preference('PayPlansVersion') }} as version) as v
    where l.payment_plan_id is null
       or l.entry_kind = 'patient payment' and v.version not in ('1', '3')
    union all
    select entry_kind, source_id, entry_date, patient_id, payment_plan_id, is_scheduled, amount
    from payment_plan_entry
)

select
    e.entry_kind, e.source_id,
    -- What has no day is older than all that has one.
    coalesce(e.entry_date, date '0001-01-01') as entry_date,
    coalesce(f.guarantor_id, e.patient_id, 0) as guarantor_id,
    e.patient_id, e.payment_plan_id, e.is_scheduled, e.amount
from entry as e
left join family as f on f.patient_id = e.patient_id
where e.amount <> 0
