with decoded as (
    select
        {{ as_key('refattach', 'RefAttachNum') }} as referral_link_id,
        {{ as_reference('refattach', 'ReferralNum') }} as referral_id,
        {{ as_reference('refattach', 'PatNum') }} as patient_id,
        {{ as_integer('refattach', 'ItemOrder') }} as item_order,
        {{ as_date('refattach', 'RefDate') }} as referral_date,
        {{ as_code('refattach', 'RefType') }} as referral_type_code,
        r._etl_loaded_at
    from {{ raw_rows('refattach') }}
)

select
    d.referral_link_id,
    d.referral_id,
    d.patient_id,
    d.item_order,
    d.referral_date,
    d.referral_type_code,
    {{ code_name('d.referral_type_code', 'referral_type_name') }} as referral_type,
    d._etl_loaded_at
from decoded as d
{{ join_codes('referral_type', 'd.referral_type_code', 'referral_type_name') }}
