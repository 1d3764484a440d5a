{{ config(unique_key=['production_date', 'provider_id', 'clinic_id']) }}
select
    production_date, provider_id, clinic_id,
    sum(gross_production)::numeric(14, 2) as gross_production,
    sum(adjustments)::numeric(14, 2) as adjustments,
    sum(write_offs)::numeric(14, 2) as write_offs,
    sum(net_production)::numeric(14, 2) as net_production,
    count(distinct procedure_id) as procedures,
    count(distinct patient_id) filter (where procedure_id is not null) as patients
from {{ ref('int_production') }}
where production_date is not null
group by production_date, provider_id, clinic_id
