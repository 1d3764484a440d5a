{{ config(unique_key=['month_start', 'clinic_id']) }}
with production as (
    select date_trunc('month', production_date)::date as month_start, clinic_id,
        sum(gross_production) as gross_production, sum(net_production) as net_production
    from {{ ref('production_by_day') }} group by 1, 2
),

collection as (
    select date_trunc('month', collection_date)::date as month_start, clinic_id,
        sum(collections) as collections
    from {{ ref('collections_by_day') }} group by 1, 2
),

visit as (
    select date_trunc('month', visit_date)::date as month_start, clinic_id,
        sum(patient_portion) as patient_portion, sum(paid_at_visit) as paid_at_visit
    from {{ ref('int_visit_collection') }} group by 1, 2
)

select
    month_start, clinic_id,
    coalesce(p.gross_production, 0)::numeric(14, 2) as gross_production,
    coalesce(p.net_production, 0)::numeric(14, 2) as net_production,
    coalesce(c.collections, 0)::numeric(14, 2) as collections,
    round(coalesce(c.collections, 0) / nullif(p.net_production, 0), 4) as collection_ratio,
    coalesce(v.patient_portion, 0)::numeric(14, 2) as visit_patient_portion,
    coalesce(v.paid_at_visit, 0)::numeric(14, 2) as paid_at_visits,
    round(v.paid_at_visit / nullif(v.patient_portion, 0), 4) as over_the_counter_ratio
from production as p
full join collection as c using (month_start, clinic_id)
full join visit as v using (month_start, clinic_id)
