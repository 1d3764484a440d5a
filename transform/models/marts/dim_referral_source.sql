{{ config(unique_key='referral_id') }}
with referral as (
    select * from {{ ref('stg_referral') }}
)

select
    referral_id, concat_ws(', ', last_name, first_name) as name,
    case when is_doctor then 'doctor' when is_not_person then 'other' else 'person' end as kind,
    is_hidden
from referral
union all
select 0, 'not recorded', 'none', false
