with decoded as (
    select
        {{ as_key('treatplan', 'TreatPlanNum') }} as treatment_plan_id,
        {{ as_reference('treatplan', 'PatNum') }} as patient_id,
        {{ as_date('treatplan', 'DateTP') }} as plan_date,
        {{ as_text('treatplan', 'Heading') }} as heading,
        {{ as_code('treatplan', 'TPStatus') }} as status_code,
        {{ as_local_time('treatplan', 'DateTSigned') }} as signed_at,
        r._etl_loaded_at
    from {{ raw_rows('treatplan') }}
)

select
    d.treatment_plan_id,
    d.patient_id,
    d.plan_date,
    d.heading,
    d.status_code,
    {{ code_name('d.status_code', 'status_name') }} as status,
    d.signed_at,
    d._etl_loaded_at
from decoded as d
{{ join_codes('treatment_plan_status', 'd.status_code', 'status_name') }}
