{{ config(unique_key='guarantor_id') }}
{%- set buckets = {'0_30': '0-30', '31_60': '31-60', '61_90': '61-90', 'over_90': 'over 90'} %}
with receivable as (
    select * from {{ ref('int_receivable') }}
),

insurance_pending as (
    select * from {{ ref('int_insurance_pending') }}
),

account_entry as (
    select * from {{ ref('int_account_entry') }}
),

practice_day as not materialized (
    select * from {{ ref('int_practice_day') }}
),

patient as (
    select * from {{ ref('stg_patient') }}
),

owed as (
    select guarantor_id,
        {%- for name, bucket in buckets.items() %}
        coalesce(sum(balance) filter (where age_bucket = '{{ bucket }}'), 0) as b_{{ name }},
        {%- endfor %}
        coalesce(sum(balance) filter (where age_bucket = 'credit'), 0) as b_credit,
        coalesce(sum(balance) filter (where age_bucket = 'later'), 0) as b_later
    from receivable group by guarantor_id
),

pending as (
    select guarantor_id,
        {%- for name, bucket in buckets.items() %}
        coalesce(sum(pending) filter (where age_bucket = '{{ bucket }}'), 0) as i_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from insurance_pending group by guarantor_id
),

paid as (
    select e.guarantor_id, max(e.entry_date) as last_payment_date
    from account_entry as e
    cross join practice_day as d
    where e.entry_kind = 'patient payment' and (e.entry_date <= d.as_of_date or not d.is_past)
    group by e.guarantor_id
)

select
    coalesce(o.guarantor_id, i.guarantor_id) as guarantor_id, d.as_of_date, p.status as guarantor_status,
    coalesce(p.status_code not in ('3', '4', '5'), false) as has_living_guarantor,
    {%- for name in buckets %}
    coalesce(o.b_{{ name }}, 0)::numeric(14, 2) as balance_{{ name }},
    {%- endfor %}
    coalesce(o.b_credit, 0)::numeric(14, 2) as credit,
    ({% for name in buckets %}coalesce(o.b_{{ name }}, 0) + {% endfor %}coalesce(o.b_credit, 0)
        + coalesce(o.b_later, 0))::numeric(14, 2) as balance,
    {%- for name in buckets %}
    coalesce(i.i_{{ name }}, 0)::numeric(14, 2) as insurance_{{ name }},
    {%- endfor %}
    ({% for name in buckets %}coalesce(i.i_{{ name }}, 0){{ ' + ' if not loop.last }}{% endfor %})::numeric(14, 2)
        as insurance_portion,
    {%- for name in buckets %}
    (coalesce(o.b_{{ name }}, 0) - coalesce(i.i_{{ name }}, 0))::numeric(14, 2) as patient_{{ name }},
    {%- endfor %}
    ({% for name in buckets %}coalesce(o.b_{{ name }}, 0) - coalesce(i.i_{{ name }}, 0) + {% endfor %}coalesce(o.b_credit, 0)
        + coalesce(o.b_later, 0))::numeric(14, 2) as patient_portion,
    coalesce(o.b_later, 0)::numeric(14, 2) as dated_later,
    s.last_payment_date, d.as_of_date - s.last_payment_date as days_since_last_payment
from owed as o
full join pending as i on i.guarantor_id = o.guarantor_id
cross join practice_day as d
left join patient as p on p.patient_id = coalesce(o.guarantor_id, i.guarantor_id)
left join paid as s on s.guarantor_id = coalesce(o.guarantor_id, i.guarantor_id)
