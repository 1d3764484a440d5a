with decoded as (
    select
        {{ as_key('refattach', 'RefAttachNum') }} as referral_link_id,
        {{ as_reference('refattach', 'ReferralNum') }} as referral_id,
        {{ as_reference('refattach', 'PatNum') }} as patient_id,
        {{ as_integer('refattach', 'ItemOrder') }} as item_order,
        {{ as_date('refattach', 'RefDate') }} as referral_date,
        {{ as_code('refattach', 'RefType') }} as referral_type_code,
        {{ as_code('refattach', 'RefToStatus') }} as referral_status_code,
        {{ as_reference('refattach', 'ProcNum') }} as procedure_id,
        {{ as_date('refattach', 'DateProcComplete') }} as completed_date,
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
    d.referral_status_code,
    {{ code_name('d.referral_status_code', 'referral_status_name') }} as referral_status,
    d.procedure_id,
    d.completed_date,
    d._etl_loaded_at
from decoded as d
{{ join_codes('referral_type', 'd.referral_type_code', 'referral_type_name') }}
{{ join_codes('referral_to_status', 'd.referral_status_code', 'referral_status_name') }}
