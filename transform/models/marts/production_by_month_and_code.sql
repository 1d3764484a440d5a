{{ config(unique_key=['month_start', 'procedure_code_id', 'provider_id', 'clinic_id']) }}
with done as (
    select * from {{ ref('fact_procedure') }} where is_complete and procedure_date is not null
),

written_off as (
    select procedure_id, sum(production_write_off) as write_off
    from {{ ref('fact_claim_procedure') }}
    where production_write_off <> 0 and procedure_id is not null
    group by procedure_id
),

produced as (
    select
        date_trunc('month', d.procedure_date)::date as month_start,
        d.procedure_code_id, d.provider_id, d.clinic_id,
        count(*) as procedures, sum(d.quantity)::bigint as quantity,
        sum(d.gross_production)::numeric(14, 2) as gross_production,
        coalesce(sum(w.write_off), 0)::numeric(14, 2) as write_off
    from done as d
    left join written_off as w on w.procedure_id = d.procedure_id
    group by 1, 2, 3, 4
)

select
    p.month_start, p.procedure_code_id, c.code, p.provider_id, p.clinic_id,
    p.procedures, p.quantity, p.gross_production, p.write_off,
    (p.gross_production - p.write_off)::numeric(14, 2) as production_after_write_off,
    round(p.gross_production / nullif(p.procedures, 0), 2) as average_fee,
    round(p.write_off / nullif(p.gross_production, 0), 4) as write_off_ratio
from produced as p
left join {{ ref('stg_procedurecode') }} as c on c.procedure_code_id = p.procedure_code_id
