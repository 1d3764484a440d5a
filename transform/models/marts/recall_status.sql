{{ config(unique_key=['clinic_id', 'recall_type_id', 'recall_state']) }}
with recall as (
    select * from {{ ref('int_recall') }}
)

select
    r.clinic_id, r.recall_type_id, min(r.recall_type) as recall_type, r.recall_state,
    count(*) as recalls, count(distinct r.patient_id) as patients,
    min(r.due_date) as oldest_due_date
from recall as r
where r.recall_type_id is not null
group by r.clinic_id, r.recall_type_id, r.recall_state
