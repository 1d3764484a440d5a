{{ config(unique_key=['collection_date', 'provider_id', 'clinic_id']) }}
select
    collection_date, provider_id, clinic_id,
    sum(patient_payments)::numeric(14, 2) as patient_payments,
    sum(insurance_payments)::numeric(14, 2) as insurance_payments,
    sum(collections)::numeric(14, 2) as collections
from {{ ref('int_collection') }}
where collection_date is not null
group by collection_date, provider_id, clinic_id
