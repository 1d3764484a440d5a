with decoded as (
    select
        {{ as_key('claim', 'ClaimNum') }} as claim_id,
        {{ as_reference('claim', 'PatNum') }} as patient_id,
        {{ as_date('claim', 'DateService') }} as service_date,
        {{ as_date('claim', 'DateSent') }} as sent_date,
        {{ as_date('claim', 'DateSentOrig') }} as first_sent_date,
        {{ as_code('claim', 'ClaimStatus') }} as status_code,
        {{ as_date('claim', 'DateReceived') }} as received_date,
        {{ as_reference('claim', 'PlanNum') }} as plan_id,
        {{ as_reference('claim', 'InsSubNum') }} as subscription_id,
        {{ as_reference('claim', 'ProvTreat') }} as provider_id,
        {{ as_money('claim', 'ClaimFee') }} as fee,
        {{ as_money('claim', 'InsPayEst') }} as insurance_estimate,
        {{ as_money('claim', 'InsPayAmt') }} as insurance_paid,
        {{ as_money('claim', 'WriteOff') }} as write_off,
        {{ as_code('claim', 'ClaimType') }} as claim_type_code,
        {{ as_reference('claim', 'ClinicNum') }} as clinic_id,
        {{ as_reference('claim', 'CustomTracking') }} as tracking_status_id,
        r._etl_loaded_at
    from {{ raw_rows('claim') }}
)

select
    d.claim_id,
    d.patient_id,
    d.service_date,
    d.sent_date,
    d.first_sent_date,
    d.status_code,
    {{ code_name('d.status_code', 'status_name') }} as status,
    d.received_date,
    d.plan_id,
    d.subscription_id,
    d.provider_id,
    d.fee,
    d.insurance_estimate,
    d.insurance_paid,
    d.write_off,
    d.claim_type_code,
    {{ code_name('d.claim_type_code', 'claim_type_name') }} as claim_type,
    d.clinic_id,
    d.tracking_status_id,
    d._etl_loaded_at
from decoded as d
{{ join_codes('claim_status', 'd.status_code', 'status_name') }}
{{ join_codes('claim_type', 'd.claim_type_code', 'claim_type_name') }}
