-- Who pays for whom. A patient whose guarantor is not there pays for themselves, so that no money
-- is lost; a family whose guarantor has died, was archived or deleted still owes what it owes.
with patient as not materialized (
    select * from {{ ref('stg_patient') }}
)

select
    p.patient_id,
    coalesce(g.patient_id, p.patient_id) as guarantor_id,
    coalesce(g.status, p.status) as guarantor_status,
    coalesce(g.status_code, p.status_code) not in ('3', '4', '5') as has_living_guarantor
from patient as p
left join patient as g on g.patient_id = p.guarantor_id
