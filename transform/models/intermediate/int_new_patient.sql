-- When a patient was first treated here, and who sent them. The office's own date of the first
-- visit counts, for it may be older than the books; without one, the first treatment does.
-- A patient who was never treated is none yet. The clinic is that of the first treatment here.
with referral_link as (
    select * from {{ ref('stg_refattach') }}
),

patient_visit as (
    select * from {{ ref('int_patient_visit') }}
),

patient as (
    select * from {{ ref('stg_patient') }}
),

source as (
    select distinct on (r.patient_id) r.patient_id, r.referral_id
    from referral_link as r
    where r.referral_type_code = '1' and r.referral_id is not null
    order by r.patient_id, r.item_order, r.referral_link_id
),

first_visit as (
    select distinct on (patient_id) patient_id, visit_date, clinic_id
    from patient_visit
    order by patient_id, visit_date
)

select
    v.patient_id,
    least(p.first_visit_date, v.visit_date) as first_visit_date,
    coalesce(v.clinic_id, 0) as clinic_id,
    coalesce(s.referral_id, 0) as referral_id
from first_visit as v
join patient as p on p.patient_id = v.patient_id
left join source as s on s.patient_id = v.patient_id
where p.status_code not in ('1', '4', '6')
