-- Recalls and how they stand on the practice's day: off (disabled, or the patient is not called back
-- or has left), booked, on hold, overdue, due within 30 days, or later. Patients who never had the
-- visit have none. On hold is what OpenDental's recall list leaves out meanwhile: disabled until a
-- later day, or until the family owes no more than an amount, expected payments of carriers taken
-- off unless the practice does not (Recalls.cs, GetRecallList; preference BalancesDontSubtractIns).
-- What the family owes is OpenDental's own figure, as of its last ageing.
with int_family as (
    select * from {{ ref('int_family') }}
),

patient as not materialized (
    select * from {{ ref('stg_patient') }}
),

recall as (
    select * from {{ ref('stg_recall') }}
),

practice_day as (
    select * from {{ ref('int_practice_day') }}
),

recall_type as (
    select * from {{ ref('stg_recalltype') }}
),

family as (
    select
        f.patient_id,
        g.balance_total
            - case when {{ preference('BalancesDontSubtractIns') }} = '1' then 0 else g.insurance_estimate end
            as amount_due
    from int_family as f
    join patient as g on g.patient_id = f.guarantor_id
)

select
    r.recall_id,
    r.patient_id,
    coalesce(p.clinic_id, 0) as clinic_id,
    r.recall_type_id,
    t.name as recall_type,
    r.due_date,
    r.previous_date,
    r.scheduled_date,
    r.disabled_until,
    r.disabled_until_balance,
    case when r.is_disabled or coalesce(p.status_code, '4') <> '0' then 'off'
         when r.due_date is null then 'never done'
         when r.scheduled_date >= d.as_of_date then 'booked'
         when r.disabled_until > d.as_of_date
           or (r.disabled_until_balance > 0 and r.disabled_until_balance < f.amount_due) then 'on hold'
         when r.due_date < d.as_of_date then 'overdue'
         when r.due_date <= d.as_of_date + 30 then 'due'
         else 'later' end as recall_state
from recall as r
cross join practice_day as d
left join patient as p on p.patient_id = r.patient_id
left join family as f on f.patient_id = r.patient_id
left join recall_type as t on t.recall_type_id = r.recall_type_id
