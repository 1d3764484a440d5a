{{ config(materialized='kept_table', unique_key=['kind', 'source_id'], indexes=[{'columns': ['entry_date']}, {'columns': ['patient_id']}], meta={
    'follows': ['fact_procedure', 'fact_adjustment', 'fact_payment', 'fact_claim_procedure', 'fact_appointment'],
    'scope': 'patient_id', 'is_followed': true,
}) }}
{%- call take_changes() %}
select patient_id from {{ changes_of('fact_procedure') }} as c
union all select patient_id from {{ changes_of('fact_adjustment') }} as c
union all select patient_id from {{ changes_of('fact_payment') }} as c
union all select patient_id from {{ changes_of('fact_claim_procedure') }} as c
-- A visit or a claim's line may name another patient than the procedure does.
union all
select p.patient_id
from {{ ref('fact_procedure') }} as p
join {{ changes_of('fact_appointment') }} as c on c.appointment_id = p.appointment_id
union all
select p.patient_id
from {{ ref('fact_procedure') }} as p
join {{ changes_of('fact_claim_procedure') }} as c on c.procedure_id = p.procedure_id
{%- endcall %}
-- Every movement that the report Production and Income counts, once by its kind, on the day on which
-- it counts (OpenDental's RpProdInc.cs). A patient's account counts otherwise: see int_ledger.
-- Write-offs are there in each of the three ways in which the report dates them: on the day of the
-- carrier's answer (insurance pay date), on the procedure's day, or as expected on the claim's day
-- with the difference on the day of the answer. is_practice_write_off is the way that the practice
-- chose. Scheduled production is what is planned for visits that are booked.
with planned_procedure as (
    select * from {{ ref('fact_procedure') }} where status_code = '1' and {{ in_scope('patient_id') }}
),

visit as (
    select * from {{ ref('fact_appointment') }} where status_code = '1'
),

estimate_line as (
    select * from {{ ref('fact_claim_procedure') }} where status_code in ('6', '8')
),

way as (
    select
        {{ preference('ReportsPPOwriteoffDefaultToProcDate') }} as write_off_date,
        {{ preference('ReportPandIschedProdSubtractsWO') }} = '1' as schedule_is_net
),

procedure_done as (
    select * from {{ ref('fact_procedure') }} where is_complete and {{ in_scope('patient_id') }}
),

adjustment as (
    select * from {{ ref('fact_adjustment') }} where {{ in_scope('patient_id') }}
),

claim_line as not materialized (
    select * from {{ ref('fact_claim_procedure') }} where {{ in_scope('patient_id') }}
),

payment_part as (
    select * from {{ ref('fact_payment') }} where not is_hidden_prepayment and {{ in_scope('patient_id') }}
),

booked as (
    select
        p.procedure_id, a.appointment_date, p.patient_id, p.provider_id,
        a.clinic_id as visit_clinic_id, p.clinic_id, p.charge, p.discount, p.plan_discount
    from planned_procedure as p
    join visit as a on a.appointment_id = p.appointment_id
),

expected_write_off as (
    select
        c.procedure_id,
        sum(c.write_off_estimate)
            filter (where c.status_code = '8' or w.schedule_is_net) as write_off
    from estimate_line as c
    cross join way as w
    where c.procedure_id in (select procedure_id from booked)
    group by c.procedure_id
),

movement as (
    select 'production' as kind, procedure_id as source_id, procedure_date as entry_date,
        patient_id, provider_id, clinic_id, procedure_id, gross_production as amount
    from procedure_done
    union all
    select 'adjustment', adjustment_id, adjustment_date,
        patient_id, provider_id, clinic_id, procedure_id, amount
    from adjustment
    union all
    select 'write-off by pay date', claim_procedure_id, payment_date,
        patient_id, provider_id, clinic_id, procedure_id, -production_write_off
    from claim_line
    where status_code in ('1', '4') and production_write_off <> 0
    union all
    select 'write-off by procedure date', claim_procedure_id, procedure_date,
        patient_id, provider_id, clinic_id, procedure_id, -production_write_off
    from claim_line
    where production_write_off <> 0
    union all
    select 'write-off estimate', claim_procedure_id, snapshot_date,
        patient_id, provider_id, clinic_id, procedure_id, -snapshot_write_off
    from claim_line
    where status_code in ('0', '1', '4') and snapshot_write_off <> 0
    union all
    select 'write-off adjustment', claim_procedure_id, payment_date,
        patient_id, provider_id, clinic_id, procedure_id, snapshot_write_off - production_write_off
    from claim_line
    where status_code in ('1', '4') and snapshot_write_off <> production_write_off
    union all
    select case when is_prepayment then 'unearned income' else 'patient income' end, split_id,
        payment_date, patient_id, provider_id, clinic_id, procedure_id, amount
    from payment_part
    union all
    select case when status_code in ('1', '4') then 'insurance income' else 'other insurance income' end,
        claim_procedure_id, check_date, patient_id, provider_id, clinic_id, procedure_id,
        insurance_income
    from claim_line
    where insurance_income <> 0
    union all
    select 'scheduled production', b.procedure_id, b.appointment_date,
        b.patient_id, b.provider_id, b.visit_clinic_id, b.procedure_id,
        b.charge - coalesce(e.write_off, 0)
    from booked as b
    left join expected_write_off as e on e.procedure_id = b.procedure_id
    union all
    select 'scheduled discount', procedure_id, appointment_date,
        patient_id, provider_id, clinic_id, procedure_id,
        -(coalesce(discount, 0) + coalesce(plan_discount, 0))
    from booked
    where coalesce(discount, 0) + coalesce(plan_discount, 0) <> 0
)

select
    m.kind, m.source_id, m.entry_date, m.patient_id,
    coalesce(m.provider_id, 0) as provider_id,
    coalesce(m.clinic_id, 0) as clinic_id,
    m.procedure_id,
    m.amount::numeric(12, 2) as amount,
    case m.kind
        when 'write-off by pay date' then w.write_off_date = '0'
        when 'write-off by procedure date' then w.write_off_date = '1'
        when 'write-off estimate' then w.write_off_date not in ('0', '1')
        when 'write-off adjustment' then w.write_off_date not in ('0', '1')
        else false
    end as is_practice_write_off
from movement as m
cross join way as w
where m.entry_date is not null
