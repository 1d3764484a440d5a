-- What networks' prices cost, by line of a claim, as the report PPO Writeoffs counts it
-- (OpenDental's RpPPOwriteoff.cs): the price billed and its write-off, in each of the three ways to
-- date them; is_practice_way is the one that the practice chose. By claim date, a line has its day when
-- what was expected of it was remembered (claimsnapshot), and counts what was expected until it is
-- received. Capitation writes nothing off here.
with line as (
    select * from {{ ref('fact_claim_procedure') }} where status_code in ('0', '1', '4')
),

way as (
    select {{ preference('ReportsPPOwriteoffDefaultToProcDate') }} as write_off_date
),

dated as (
    select 'pay date' as way, claim_procedure_id, plan_id, clinic_id, payment_date as write_off_date,
        fee_billed as fee, production_write_off as write_off
    from line
    where status_code in ('1', '4')
    union all
    select 'procedure date', claim_procedure_id, plan_id, clinic_id, procedure_date, fee_billed,
        production_write_off
    from line
    union all
    select 'claim date', claim_procedure_id, plan_id, clinic_id, snapshot_date, fee_billed,
        case status_code when '0' then snapshot_write_off else production_write_off end
    from line
)

select
    d.way, d.claim_procedure_id, d.plan_id, d.clinic_id, d.write_off_date,
    coalesce(d.fee, 0)::numeric(12, 2) as fee, d.write_off::numeric(12, 2) as write_off,
    d.way = case w.write_off_date when '0' then 'pay date' when '1' then 'procedure date' else 'claim date' end
        as is_practice_way
from dated as d
cross join way as w
where d.write_off_date is not null
