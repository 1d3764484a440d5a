-- Contacts with patients, without their text.
with contact as (
    select * from {{ ref('stg_commlog') }}
),

definition as (
    select * from {{ ref('stg_definition') }}
)

select
    c.communication_id,
    coalesce(c.patient_id, 0) as patient_id,
    c.contacted_at,
    c.contacted_at::date as contact_date,
    coalesce(t.name, 'unknown ' || c.communication_type_id) as communication_type,
    c.mode,
    c.direction,
    c.user_id,
    {{ row_version(['c._etl_loaded_at', 't._etl_loaded_at']) }} as _etl_version
from contact as c
left join definition as t on t.definition_id = c.communication_type_id
