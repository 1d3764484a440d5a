{{ config(unique_key=['month_start', 'clinic_id', 'referral_id']) }}
with visit as (
    select patient_id, visit_date, coalesce(clinic_id, 0) as clinic_id from {{ ref('int_patient_visit') }}
),

referral as (
    select * from {{ ref('stg_refattach') }} where referral_type_code = '0' and referral_date is not null
),

-- Where the work is not named, the clinic is that of the last treatment until then.
last_clinic as (
    select distinct on (r.referral_link_id) r.referral_link_id, v.clinic_id
    from referral as r
    join visit as v on v.patient_id = r.patient_id and v.visit_date <= r.referral_date
    order by r.referral_link_id, v.visit_date desc
),

last_visit as (
    select patient_id, max(visit_date) as last_visit_date from visit group by patient_id
),

sent as (
    select
        r.referral_link_id, coalesce(r.referral_id, 0) as referral_id, r.patient_id, r.referral_date,
        r.completed_date,
        r.completed_date is not null or coalesce(r.referral_status_code = '5', false) as is_completed,
        coalesce(r.referral_status_code = '1', false) as is_declined,
        coalesce(p.clinic_id, l.clinic_id, 0) as clinic_id,
        coalesce(v.last_visit_date > r.referral_date, false) as came_back
    from referral as r
    left join {{ ref('fact_procedure') }} as p on p.procedure_id = r.procedure_id
    left join last_clinic as l on l.referral_link_id = r.referral_link_id
    left join last_visit as v on v.patient_id = r.patient_id
)

select
    date_trunc('month', referral_date)::date as month_start, clinic_id, referral_id,
    count(*) as sent, count(distinct patient_id) as patients,
    count(*) filter (where is_completed) as completed,
    count(*) filter (where is_declined and not is_completed) as declined,
    count(*) filter (where not is_completed and not is_declined) as still_open,
    count(*) filter (where came_back) as came_back,
    count(completed_date) as completed_with_day,
    coalesce(sum(greatest(0, completed_date - referral_date)), 0)::bigint as days_to_complete,
    round(count(*) filter (where is_completed)::numeric / count(*), 4) as completed_share,
    round(count(*) filter (where came_back)::numeric / count(*), 4) as came_back_share,
    round(sum(greatest(0, completed_date - referral_date))::numeric / nullif(count(completed_date), 0), 1)
        as average_days_to_complete
from sent
group by 1, 2, 3
