{{ config(unique_key=['month_start', 'clinic_id']) }}
with patient_month as (
    select * from {{ ref('int_patient_month') }}
),

booked as (
    select * from {{ ref('int_booked_visit') }}
),

marked as (
    select patient_id from {{ ref('stg_patient') }} where status_code = '0'
),

month as (
    select distinct month_start, {{ month_number('month_start') }} as month_number, end_date
    from patient_month where end_date is not null
),

span as (
    select min(month_number) as first_month, max(month_number) as last_month from month
),

-- What was made by the last evening of a month, and had not ended by it, stood in the book.
bookings as (
    select m.month_start, b.patient_id, bool_or(b.is_hygiene) as has_hygiene
    from booked as b
    cross join span as s
    cross join lateral generate_series(
        greatest({{ month_number('b.made_date') }}, s.first_month),
        least({{ month_number('b.booked_until') }}, s.last_month)
    ) as g (month_number)
    join month as m
        on m.month_number = g.month_number and m.end_date > b.made_date and m.end_date <= b.booked_until
    group by m.month_start, b.patient_id
),

-- Few cells, for which all else is added up.
cell as (
    select
        m.month_start, m.clinic_at_start, m.clinic_at_end, m.clinic_of_change, m.change,
        count(*) as patients,
        count(p.patient_id) as with_status,
        count(b.patient_id) as booked,
        count(b.patient_id) filter (where b.has_hygiene) as booked_for_hygiene
    from patient_month as m
    left join marked as p on p.patient_id = m.patient_id
    left join bookings as b on b.patient_id = m.patient_id and b.month_start = m.month_start
    group by 1, 2, 3, 4, 5
),

movement as (
    select month_start, clinic_at_start as clinic_id, 'active at start' as kind, patients,
        0 as with_status, 0 as booked, 0 as booked_for_hygiene
    from cell where clinic_at_start is not null
    union all
    select month_start, clinic_at_end, 'active at end', patients, with_status, booked, booked_for_hygiene
    from cell where clinic_at_end is not null
    union all
    select month_start, clinic_of_change, change, patients, 0, 0, 0
    from cell where change <> 'stays'
    union all
    select month_start, clinic_of_change, 'moved out', patients, 0, 0, 0
    from cell where clinic_at_end <> clinic_of_change
    union all
    select month_start, clinic_at_end, 'moved in', patients, 0, 0, 0
    from cell where clinic_at_end <> clinic_of_change
),

counted as (
    select
        month_start, clinic_id,
        {%- for kind, name in {
            'active at start': 'active_at_start', 'new': 'new_patients', 'recaptured': 'recaptured',
            'moved in': 'moved_in', 'lost': 'lost', 'moved out': 'moved_out', 'active at end': 'active_at_end',
        }.items() %}
        coalesce(sum(patients) filter (where kind = '{{ kind }}'), 0)::bigint as {{ name }},
        {%- endfor %}
        sum(with_status)::bigint as active_with_status,
        sum(booked)::bigint as pre_appointed,
        sum(booked_for_hygiene)::bigint as pre_appointed_hygiene
    from movement
    group by month_start, clinic_id
)

select
    month_start, clinic_id, active_at_start, new_patients, recaptured, moved_in, lost, moved_out, active_at_end,
    new_patients + recaptured - lost as patient_growth,
    round(lost::numeric / nullif(active_at_start, 0), 4) as attrition,
    active_with_status, pre_appointed, pre_appointed_hygiene,
    round(pre_appointed::numeric / nullif(active_at_end, 0), 4) as pre_appointment,
    round(pre_appointed_hygiene::numeric / nullif(active_at_end, 0), 4) as hygiene_pre_appointment
from counted
