-- What carriers are expected to settle of work that is done: payment and write-off of the lines
-- of claims that they have not answered, by the age of the treatment. On a day that is past, also of
-- those that they answered later (OpenDental's Ledgers.cs).
with claim_procedure as (
    select * from {{ ref('fact_claim_procedure') }}
),

practice_day as (
    select * from {{ ref('int_practice_day') }}
),

family as (
    select * from {{ ref('int_family') }}
)

select
    coalesce(f.guarantor_id, c.patient_id, 0) as guarantor_id,
    {{ age_bucket('greatest(0, d.as_of_date - c.procedure_date)') }} as age_bucket,
    sum(case when c.status_code = '0' then c.insurance_expected + c.write_off_expected
             else c.estimate + c.write_off end)::numeric(12, 2) as pending
from claim_procedure as c
cross join practice_day as d
left join family as f on f.patient_id = c.patient_id
where case when d.is_past
           then c.procedure_date <= d.as_of_date
                and (c.status_code = '0' or c.status_code = '1' and c.payment_date > d.as_of_date)
           else c.status_code = '0' end
group by 1, 2
