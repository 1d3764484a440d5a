{{ config(unique_key='guarantor_id') }}
-- OpenDental's report Unearned Accounts: families with money that is not earned yet, all days until
-- now. Hidden types are left out (RpUnearnedIncome.cs; manual, page reportunearnedaccounts).
with family as (
    select * from {{ ref('int_family') }}
),

patient as (
    select * from {{ ref('stg_patient') }}
),

clinic as (
    select * from {{ ref('stg_clinic') }}
),

line as (
    select * from {{ ref('report_unearned_income') }}
)

select
    f.guarantor_id,
    concat_ws(', ', g.last_name, g.first_name) as guarantor,
    string_agg(distinct l.unearned_type, ', ' order by l.unearned_type) as unearned_types,
    g.clinic_id, c.abbreviation as clinic,
    sum(l.amount)::numeric(14, 2) as amount
from line as l
join family as f on f.patient_id = l.patient_id
join patient as g on g.patient_id = f.guarantor_id
left join clinic as c on c.clinic_id = g.clinic_id
group by f.guarantor_id, g.last_name, g.first_name, g.clinic_id, c.abbreviation
having sum(l.amount) <> 0
