{{ config(unique_key=['month_start', 'clinic_id']) }}
{%- set measures = ['gross_production', 'net_production', 'collections', 'new_patients', 'hygiene_visits'] %}
{%- set counts = ['new_patients', 'hygiene_visits'] %}
{%- set goals = {'net_production': 'production', 'collections': 'collections', 'new_patients': 'new_patients', 'hygiene_visits': 'hygiene_visits'} %}
with actual as (
    select month_start, clinic_id, gross_production, net_production, collections,
        0 as new_patients, 0 as hygiene_visits
    from {{ ref('collection_ratio_by_month') }}
    union all
    select month_start, clinic_id, 0, 0, 0, new_patients, 0 from {{ ref('new_patients_by_source') }}
    union all
    select month_start, clinic_id, 0, 0, 0, 0, hygiene_visits from {{ ref('hygiene_by_month') }}
),

by_month as (
    select
        month_start, clinic_id
        {%- for measure in measures %},
        sum({{ measure }})::{{ 'bigint' if measure in counts else 'numeric(14, 2)' }} as {{ measure }}
        {%- endfor %}
    from actual
    group by month_start, clinic_id
),

goal as (
    select * from {{ source('goals', '_etl_goal') }}
)

select
    month_start, clinic_id,
    month_start < date_trunc('month', d.as_of_date) as is_full_month
    {%- for measure in measures %},
    coalesce(a.{{ measure }}, 0)::{{ 'bigint' if measure in counts else 'numeric(14, 2)' }} as {{ measure }}
    {%- if measure in goals %},
    g.{{ goals[measure] }} as {{ goals[measure] }}_goal,
    round(coalesce(a.{{ measure }}, 0)::numeric / nullif(g.{{ goals[measure] }}, 0), 4) as {{ goals[measure] }}_reached
    {%- endif %}
    {%- endfor %}
from by_month as a
full join goal as g using (month_start, clinic_id)
cross join {{ ref('int_practice_day') }} as d
