{{ config(unique_key=['month_start', 'provider_id', 'clinic_id']) }}
{%- set stages = {
    'planned': 'true', 'presented': 'is_presented', 'accepted': 'is_accepted',
    'completed': 'is_complete', 'done_same_day': 'is_done_same_day',
} %}
with int_treatment as (
    select * from {{ ref('int_treatment') }}
),

treatment as (
    select
        date_trunc('month', planned_date)::date as month_start, provider_id, clinic_id,
        {%- for stage, rule in stages.items() %}
        count(*) filter (where {{ rule }}) as {{ stage }},
        coalesce(sum(amount) filter (where {{ rule }}), 0)::numeric(14, 2) as {{ stage }}_amount,
        count(distinct patient_id) filter (where {{ rule }}) as {{ stage }}_patients
        {{- ',' if not loop.last }}
        {%- endfor %}
    from int_treatment
    group by 1, 2, 3
)

select
    month_start, provider_id, clinic_id,
    {%- for stage in stages %}
    {{ stage }}, {{ stage }}_amount, {{ stage }}_patients,
    {%- endfor %}
    round(accepted::numeric / nullif(planned, 0), 4) as acceptance,
    round(accepted_amount / nullif(planned_amount, 0), 4) as acceptance_by_amount,
    round(accepted_patients::numeric / nullif(planned_patients, 0), 4) as acceptance_by_patient
from treatment
