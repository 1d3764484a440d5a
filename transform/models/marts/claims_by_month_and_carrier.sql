{{ config(unique_key=['month_start', 'carrier_id']) }}
-- Claims by the month in which they were sent, and by the month of the carrier's answer.
{%- set answers = {
    'answered': 'count(*)',
    'answered_fee': 'sum(c.fee)::numeric(14, 2)',
    'paid': 'coalesce(sum(a.paid), 0)::numeric(14, 2)',
    'write_off': 'coalesce(sum(a.write_off), 0)::numeric(14, 2)',
    'denied': 'count(*) filter (where c.is_denied)',
    'denied_lines': 'sum(c.denied_lines)::bigint',
    'denied_fee': 'sum(c.denied_fee)::numeric(14, 2)',
    'denied_paid_later': 'sum(c.denied_paid_later)::numeric(14, 2)',
    'paid_claims': 'count(c.paid_date)',
} %}
with claim as (
    select * from {{ ref('fact_claim') }} where not is_preauthorization and claim_type <> 'capitation'
),

sent as (
    select
        date_trunc('month', sent_date)::date as month_start, carrier_id, count(*) as sent,
        sum(fee)::numeric(14, 2) as sent_fee, count(*) filter (where is_outstanding) as sent_outstanding
    from claim
    where sent_date is not null
    group by 1, 2
),

answered as (
    select
        date_trunc('month', c.received_date)::date as month_start, c.carrier_id,
        {%- for name, formula in answers.items() %}
        {{ formula }} as {{ name }},
        {%- endfor %}
        {%- for days in ('days_to_answer', 'days_to_pay') %}
        round(avg(c.{{ days }}), 1) as mean_{{ days }},
        round((percentile_cont(0.5) within group (order by c.{{ days }}))::numeric, 1) as median_{{ days }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from claim as c
    left join {{ ref('int_claim_answer') }} as a on a.claim_id = c.claim_id
    where not c.is_outstanding and c.received_date is not null
    group by 1, 2
)

select
    month_start, carrier_id, k.name as carrier_name,
    coalesce(s.sent, 0) as sent,
    coalesce(s.sent_fee, 0)::numeric(14, 2) as sent_fee,
    coalesce(s.sent_outstanding, 0) as sent_outstanding,
    {%- for name in answers %}
    coalesce(a.{{ name }}, 0){{ '::numeric(14, 2)' if 'numeric' in answers[name] }} as {{ name }},
    {%- endfor %}
    round(a.paid / nullif(a.answered_fee, 0), 4) as paid_ratio,
    round(a.denied::numeric / nullif(a.answered, 0), 4) as denial_rate,
    a.mean_days_to_answer, a.median_days_to_answer, a.mean_days_to_pay, a.median_days_to_pay
from sent as s
full join answered as a using (month_start, carrier_id)
left join {{ ref('stg_carrier') }} as k using (carrier_id)
