-- Codes that the seed does not know. They are kept as "unknown …"; this counts them.
{{ config(severity='warn') }}
{%- set decoded = {
    'stg_appointment': ['status'],
    'stg_claim': ['status', 'claim_type'],
    'stg_claimproc': ['status'],
    'stg_commlog': ['mode', 'direction'],
    'stg_feesched': ['fee_schedule_type'],
    'stg_histappointment': ['action', 'status'],
    'stg_insplan': ['plan_type'],
    'stg_patient': ['status', 'gender'],
    'stg_procedurelog': ['status'],
    'stg_refattach': ['referral_type', 'referral_status'],
    'stg_schedule': ['schedule_type'],
    'stg_treatplan': ['status'],
} %}
{%- for model, columns in decoded.items() %}
{%- set last_model = loop.last %}
{%- for column in columns %}
select '{{ model }}.{{ column }}' as code_of, {{ column }}_code as code, count(*) as rows_of_the_code
from {{ ref(model) }}
where {{ column }} = 'unknown ' || {{ column }}_code
group by {{ column }}_code
{{ 'union all' if not (last_model and loop.last) }}
{%- endfor %}
{%- endfor %}
