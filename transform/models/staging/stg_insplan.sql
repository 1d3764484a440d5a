with decoded as (
    select
        {{ as_key('insplan', 'PlanNum') }} as plan_id,
        {{ as_text('insplan', 'GroupName') }} as group_name,
        {{ as_text('insplan', 'GroupNum') }} as group_number,
        {{ as_reference('insplan', 'CarrierNum') }} as carrier_id,
        {{ as_reference('insplan', 'FeeSched') }} as fee_schedule_id,
        coalesce(nullif({{ as_code('insplan', 'PlanType') }}, ''), '-') as plan_type_code,
        {{ as_flag('insplan', 'IsMedical') }} as is_medical,
        {{ as_flag('insplan', 'IsHidden') }} as is_hidden,
        r._etl_loaded_at
    from {{ raw_rows('insplan') }}
)

select
    d.plan_id,
    d.group_name,
    d.group_number,
    d.carrier_id,
    d.fee_schedule_id,
    d.plan_type_code,
    {{ code_name('d.plan_type_code', 'plan_type_name') }} as plan_type,
    d.is_medical,
    d.is_hidden,
    d._etl_loaded_at
from decoded as d
{{ join_codes('plan_type', 'd.plan_type_code', 'plan_type_name') }}
