{{ config(unique_key='split_id') }}
-- OpenDental's report Line Item Unearned Income: every part of a payment that has an unearned type,
-- on its day. Hidden types are left out (RpUnearnedIncome.cs; manual, page reportlineitemunearned).
with patient as (
    select * from {{ ref('stg_patient') }}
),

clinic as (
    select * from {{ ref('stg_clinic') }}
),

provider as (
    select * from {{ ref('stg_provider') }}
),

payment_part as (
    select * from {{ ref('fact_payment') }} where is_prepayment and not is_hidden_prepayment
)

select
    s.split_id, s.payment_date, s.patient_id,
    concat_ws(', ', p.last_name, p.first_name) as patient,
    s.prepayment_type as unearned_type, s.clinic_id, c.abbreviation as clinic,
    s.provider_id, v.abbreviation as provider, s.amount
from payment_part as s
join patient as p on p.patient_id = s.patient_id
left join clinic as c on c.clinic_id = s.clinic_id
left join provider as v on v.provider_id = s.provider_id
