{{ config(materialized='kept_view') }}
-- OpenDental's report Aging of A/R, grouped by family, with its options Any Balance, include negative
-- balances and insurance estimates (RpAging.cs, Ledgers.cs; manual, page reportaging). A view: ask it
-- for one day, or a few. On an earlier day nothing that is dated later counts; insurance pending is what
-- was treated until then and not received, or received later, as it is written now. On the practice's
-- day the total holds what is dated later, as OpenDental's does.
with practice_day as not materialized (
    select * from {{ ref('int_practice_day') }}
),

dim_date as (
    select * from {{ ref('dim_date') }}
),

claim_procedure as (
    select * from {{ ref('fact_claim_procedure') }}
),

int_family as (
    select * from {{ ref('int_family') }}
),

patient as (
    select * from {{ ref('stg_patient') }}
),

day as not materialized (
    select
        c.date_day as as_of_date,
        c.date_day = (select today from practice_day) as is_today
    from dim_date as c
    where c.date_day <= (select today from practice_day)
),

account_entry as (
    select * from {{ ref('int_account_entry') }}
),

claim_line as (
    select
        coalesce(f.guarantor_id, c.patient_id, 0) as guarantor_id, c.procedure_date, c.payment_date,
        c.status_code = '0' as is_pending,
        coalesce(c.estimate, 0) as insurance_estimate,
        case when c.status_code = '0' then c.write_off_expected else c.write_off end as write_off_estimate
    from claim_procedure as c
    left join int_family as f on f.patient_id = c.patient_id
    where c.status_code in ('0', '1')
),

aged as (
    select
        d.as_of_date, e.guarantor_id,
        case when e.entry_date <= d.as_of_date then d.as_of_date - e.entry_date end as days,
        e.amount, 0 as insurance_estimate, 0 as write_off_estimate,
        case when e.entry_kind = 'patient payment' then e.entry_date end as payment_date
    from day as d
    join account_entry as e
        on e.entry_date <= d.as_of_date or d.is_today and not e.is_scheduled
    union all
    select
        d.as_of_date, c.guarantor_id, null, 0, c.insurance_estimate, c.write_off_estimate, null
    from day as d
    join claim_line as c
        on c.is_pending and d.is_today
        or not d.is_today and c.procedure_date <= d.as_of_date
           and (c.is_pending or c.payment_date > d.as_of_date)
),

family as (
    select
        as_of_date, guarantor_id,
        coalesce(sum(amount) filter (where amount > 0 and days <= 30), 0) as charges_0_30,
        coalesce(sum(amount) filter (where amount > 0 and days between 31 and 60), 0) as charges_31_60,
        coalesce(sum(amount) filter (where amount > 0 and days between 61 and 90), 0) as charges_61_90,
        coalesce(sum(amount) filter (where amount > 0 and days > 90), 0) as charges_over_90,
        coalesce(-sum(amount) filter (where amount < 0 and days >= 0), 0) as credits,
        sum(amount) as total,
        sum(write_off_estimate) as write_off_estimate,
        sum(insurance_estimate) as insurance_estimate,
        max(payment_date) as last_payment_date
    from aged
    group by as_of_date, guarantor_id
)

select
    f.as_of_date, f.guarantor_id,
    concat_ws(', ', p.last_name, p.first_name) as guarantor,
    p.clinic_id, p.primary_provider_id,
    least(f.charges_0_30, greatest(0, f.charges_over_90 + f.charges_61_90 + f.charges_31_60
        + f.charges_0_30 - f.credits))::numeric(14, 2) as balance_0_30,
    least(f.charges_31_60, greatest(0, f.charges_over_90 + f.charges_61_90 + f.charges_31_60
        - f.credits))::numeric(14, 2) as balance_31_60,
    least(f.charges_61_90, greatest(0, f.charges_over_90 + f.charges_61_90 - f.credits))::numeric(14, 2)
        as balance_61_90,
    greatest(0, f.charges_over_90 - f.credits)::numeric(14, 2) as balance_over_90,
    f.total::numeric(14, 2) as total,
    f.write_off_estimate::numeric(14, 2) as write_off_estimate,
    f.insurance_estimate::numeric(14, 2) as insurance_estimate,
    (f.total - f.write_off_estimate - f.insurance_estimate)::numeric(14, 2) as patient_portion,
    f.last_payment_date
from family as f
left join patient as p on p.patient_id = f.guarantor_id
where f.total <> 0 or f.write_off_estimate <> 0 or f.insurance_estimate <> 0
   or f.charges_over_90 + f.charges_61_90 + f.charges_31_60 + f.charges_0_30 > f.credits
