{{ config(unique_key='clinic_id') }}
with clinic as (
    select * from {{ ref('stg_clinic') }}
),

inferred as (
    {{ inferred_members('clinic_id', 'stg_clinic', ['fact_procedure.clinic_id', 'fact_payment.clinic_id', 'fact_adjustment.clinic_id', 'fact_claim.clinic_id', 'fact_claim_procedure.clinic_id', 'fact_appointment.clinic_id']) }}
)

select clinic_id, name, abbreviation, city, is_hidden as is_closed, false as is_missing
from clinic
union all
select 0, 'no clinic', 'none', null, false, true
union all
select key, 'unknown clinic ' || key, 'unknown', null, false, true from inferred
