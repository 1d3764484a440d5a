{{ config(materialized='kept_view', unique_key=['payment_kind', 'source_id', 'listed_date', 'carrier_id', 'clinic_id']) }}
-- As the report Daily Payments lists them (OpenDental's RpPaySheet.cs): what carriers paid on lines
-- received and supplements, by the day of the cheque; what patients paid, by the day of the payment,
-- without hidden prepayments.
with stg_patient as (
    select * from {{ ref('stg_patient') }}
),

claim_line as (
    select * from {{ ref('fact_claim_procedure') }} where status_code in ('1', '4')
),

cheque as (
    select * from {{ ref('stg_claimpayment') }}
),

plan as (
    select * from {{ ref('dim_insurance_plan') }}
),

patient_payment as (
    select * from {{ ref('stg_payment') }}
),

payment_part as (
    select * from {{ ref('fact_payment') }} where not is_hidden_prepayment
),

patient as (
    select patient_id, {{ report_name('p') }} as name from stg_patient as p
),

provider as (
    select * from {{ ref('stg_provider') }}
),

payment_type as (
    select * from {{ ref('stg_definition') }}
),

of_carriers as (
    select
        'insurance' as payment_kind, k.claim_payment_id as source_id, k.check_date as report_date,
        l.payment_date as listed_date, coalesce(i.carrier_id, 0) as carrier_id,
        coalesce(l.clinic_id, 0) as clinic_id, k.payment_type_id, k.check_number,
        max(i.carrier_name) as carrier_name,
        max(p.name) || case when count(distinct l.patient_id) > 1 then '*' else '' end as patient_name,
        string_agg(distinct d.abbreviation, ',') as providers,
        sum(l.insurance_income) as amount
    from claim_line as l
    join cheque as k on k.claim_payment_id = l.claim_payment_id
    left join plan as i on i.plan_id = l.plan_id
    left join patient as p on p.patient_id = l.patient_id
    left join provider as d on d.provider_id = l.provider_id
    where k.check_date is not null
    group by k.claim_payment_id, k.check_date, l.payment_date, coalesce(i.carrier_id, 0),
        coalesce(l.clinic_id, 0), k.payment_type_id, k.check_number
),

of_patients as (
    select
        'patient' as payment_kind, y.payment_id as source_id, y.payment_date as report_date,
        y.payment_date as listed_date, 0 as carrier_id, coalesce(s.clinic_id, 0) as clinic_id,
        y.payment_type_id, y.check_number, null as carrier_name, max(p.name) as patient_name,
        string_agg(distinct d.abbreviation, ',') as providers,
        sum(s.amount) as amount
    from patient_payment as y
    join payment_part as s on s.payment_id = y.payment_id
    left join patient as p on p.patient_id = y.patient_id
    left join provider as d on d.provider_id = s.provider_id
    where y.payment_date is not null
    group by y.payment_id, y.payment_date, coalesce(s.clinic_id, 0), y.payment_type_id, y.check_number
),

listed as (
    select * from of_carriers
    union all
    select * from of_patients
)

select
    l.payment_kind, l.source_id, l.report_date,
    -- A key has a value: a line without a day of its own is listed on the cheque's.
    coalesce(l.listed_date, l.report_date) as listed_date,
    l.carrier_id, l.carrier_name, l.patient_name, l.providers, l.clinic_id, l.check_number,
    coalesce(t.name, 'Income transfer') as payment_type,
    l.amount::numeric(14, 2) as amount
from listed as l
left join payment_type as t on t.definition_id = l.payment_type_id
