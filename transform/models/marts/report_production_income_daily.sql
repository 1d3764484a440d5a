{{ config(materialized='kept_view', unique_key=['kind', 'source_id']) }}
-- As Production and Income, report type Daily, lists it: one row a transaction. Insurance income is
-- that of lines received and supplements, as that type reads it (RpProdInc.cs, GetDailyProdIncDataSet).
with patient as (
    select * from {{ ref('stg_patient') }}
),

provider as (
    select * from {{ ref('stg_provider') }}
),

clinic as (
    select * from {{ ref('stg_clinic') }}
),

fact_procedure as (
    select * from {{ ref('fact_procedure') }}
),

procedure_code as (
    select * from {{ ref('dim_procedure_code') }}
),

adjustment as (
    select * from {{ ref('fact_adjustment') }}
),

claim_procedure as (
    select * from {{ ref('fact_claim_procedure') }}
),

payment as (
    select * from {{ ref('fact_payment') }}
),

movement as (
    select * from {{ ref('int_production_income') }}
    where kind not in ('scheduled production', 'scheduled discount', 'other insurance income')
),

plan as (
    select * from {{ ref('dim_insurance_plan') }}
),

summed as (
    select
        m.kind, m.source_id, m.entry_date, m.patient_id, m.provider_id, m.clinic_id, m.procedure_id,
        {{ production_income_columns(totals=false) }}
    from movement as m
    group by m.kind, m.source_id, m.entry_date, m.patient_id, m.provider_id, m.clinic_id, m.procedure_id
)

select
    s.kind, s.source_id, s.entry_date as report_date,
    coalesce(s.patient_id, 0) as patient_id,
    {{ report_name('p') }} as patient_name,
    case when s.kind = 'production' then k.description
         when s.kind = 'adjustment' then a.adjustment_type
         when s.kind like 'write-off%' then concat_ws(' ', k.abbreviation, i.carrier_name)
         when s.kind = 'insurance income' then i.carrier_name
         else t.payment_type end as description,
    s.provider_id, coalesce(d.abbreviation, 'Unearned') as provider,
    s.clinic_id, coalesce(c.name, 'Unassigned') as clinic,
    s.production, s.adjustments, s.writeoff,
    s.writeoff_by_pay_date, s.writeoff_by_procedure_date, s.writeoff_est, s.writeoff_adj,
    s.pt_income, s.unearned_pt_income, s.ins_income
from summed as s
left join patient as p on p.patient_id = s.patient_id
left join provider as d on d.provider_id = s.provider_id
left join clinic as c on c.clinic_id = s.clinic_id
left join fact_procedure as r on r.procedure_id = s.procedure_id
left join procedure_code as k on k.procedure_code_id = r.procedure_code_id
left join adjustment as a on s.kind = 'adjustment' and a.adjustment_id = s.source_id
left join claim_procedure as l
    on (s.kind like 'write-off%' or s.kind = 'insurance income') and l.claim_procedure_id = s.source_id
left join plan as i on i.plan_id = l.plan_id
left join payment as t
    on s.kind in ('patient income', 'unearned income') and t.split_id = s.source_id
