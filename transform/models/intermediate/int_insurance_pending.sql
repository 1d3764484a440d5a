-- What carriers are expected to settle of work that is done: payment and write-off of the lines
-- of claims that they have not answered, by the age of the treatment.
select
    coalesce(f.guarantor_id, c.patient_id, 0) as guarantor_id,
    {{ age_bucket('greatest(0, d.as_of_date - c.procedure_date)') }} as age_bucket,
    sum(c.insurance_expected + c.write_off_expected)::numeric(12, 2) as pending
from {{ ref('int_claim_procedure') }} as c
cross join {{ ref('int_practice_day') }} as d
left join {{ ref('int_family') }} as f on f.patient_id = c.patient_id
where c.status_code = '0'
group by 1, 2
