{{ config(materialized='kept_table', unique_key=['patient_id', 'visit_date'], meta={
    'follows': ['fact_procedure'], 'scope': 'patient_id', 'is_followed': true,
}) }}
{%- call take_changes() %}
select patient_id from {{ changes_of('fact_procedure') }} as c
{%- endcall %}
-- Days on which a patient was treated: one row a patient and day with a completed procedure. The
-- codes for missed and late cancelled visits (D9986, D9987) are no treatment. A visit is hygiene by
-- what was done, whoever did it: a code with OpenDental's own mark, or gum care.
select
    p.patient_id,
    p.procedure_date as visit_date,
    min(nullif(p.clinic_id, 0)) as clinic_id,
    bool_or({{ is_hygiene_code('c') }}) as has_hygiene,
    bool_or(coalesce(c.code in {{ perio_codes() }}, false)) as has_perio
from {{ ref('fact_procedure') }} as p
left join {{ ref('stg_procedurecode') }} as c on c.procedure_code_id = p.procedure_code_id
where p.is_complete
  and {{ in_scope('p.patient_id') }}
  and p.procedure_date is not null
  and p.patient_id <> 0
  and coalesce(c.code, '') not in ('D9986', 'D9987')
group by p.patient_id, p.procedure_date
