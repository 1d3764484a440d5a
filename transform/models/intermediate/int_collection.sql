-- Collections: what patients and carriers paid, on the day on which it counts. Transfers between
-- the patients of a family are two parts of opposite sign, so they move money and collect none.
select
    l.entry_date as collection_date,
    coalesce(l.provider_id, 0) as provider_id,
    coalesce(l.clinic_id, 0) as clinic_id,
    l.patient_id,
    case when l.entry_kind = 'patient payment' then -l.amount else 0 end as patient_payments,
    case when l.entry_kind = 'insurance payment' then -l.amount else 0 end as insurance_payments,
    -l.amount as collections
from {{ ref('int_ledger') }} as l
where l.entry_kind in ('patient payment', 'insurance payment')
