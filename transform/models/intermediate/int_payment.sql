-- Parts of patients' payments. A payment is split over patients, providers and procedures; money
-- is counted here, by its parts, and never joined back to the payment's own amount.
-- A prepayment is hidden where its type, a definition of the list PaySplit Unearned Types (29), has a
-- value: OpenDental leaves it out of income and of accounts until it is allocated (Ledgers.cs).
with payment_split as (
    select * from {{ ref('stg_paysplit') }}
),

payment as (
    select * from {{ ref('stg_payment') }}
),

definition as not materialized (
    select * from {{ ref('stg_definition') }}
)

select
    s.split_id,
    s.payment_id,
    coalesce(s.patient_id, 0) as patient_id,
    coalesce(p.patient_id, 0) as payer_id,
    coalesce(s.provider_id, 0) as provider_id,
    coalesce(s.clinic_id, 0) as clinic_id,
    s.procedure_id,
    s.adjustment_id,
    s.payment_date,
    p.payment_type_id,
    case when p.payment_id is null then null
         when p.payment_type_id is null then 'transfer'
         else coalesce(t.name, 'unknown ' || p.payment_type_id) end as payment_type,
    s.unearned_type_id is not null as is_prepayment,
    u.value is not null as is_hidden_prepayment,
    u.name as prepayment_type,
    s.payment_plan_id,
    p.payment_type_id is null and p.payment_id is not null as is_transfer,
    s.amount,
    {{ row_version(['s._etl_loaded_at', 'p._etl_loaded_at', 't._etl_loaded_at', 'u._etl_loaded_at']) }} as _etl_version
from payment_split as s
left join payment as p on p.payment_id = s.payment_id
left join definition as t on t.definition_id = p.payment_type_id
left join definition as u
    on u.definition_id = s.unearned_type_id and u.category = 29
