{{ config(unique_key='provider_id') }}
with provider as (
    select * from {{ ref('stg_provider') }}
),

definition as (
    select * from {{ ref('stg_definition') }}
),

inferred as (
    {{ inferred_members('provider_id', 'stg_provider', ['fact_procedure.provider_id', 'fact_payment.provider_id', 'fact_adjustment.provider_id', 'fact_claim.provider_id', 'fact_claim_procedure.provider_id', 'fact_appointment.provider_id']) }}
)

select
    p.provider_id, p.abbreviation, p.last_name, p.first_name, p.is_hygienist, p.is_not_person,
    coalesce(s.name, 'unknown ' || p.specialty_id) as specialty,
    p.hourly_goal, p.is_hidden or p.term_date is not null as has_left,
    false as is_missing
from provider as p
left join definition as s on s.definition_id = p.specialty_id
union all
select 0, 'none', 'no provider', null, false, true, null, null, false, true
union all
select key, 'unknown ' || key, 'unknown provider ' || key, null, false, false, null, null, false, true
from inferred
