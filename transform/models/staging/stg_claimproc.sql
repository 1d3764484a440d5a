with decoded as (
    select
        {{ as_key('claimproc', 'ClaimProcNum') }} as claim_procedure_id,
        {{ as_reference('claimproc', 'ProcNum') }} as procedure_id,
        {{ as_reference('claimproc', 'ClaimNum') }} as claim_id,
        {{ as_reference('claimproc', 'PatNum') }} as patient_id,
        {{ as_reference('claimproc', 'ProvNum') }} as provider_id,
        {{ as_money('claimproc', 'FeeBilled') }} as fee_billed,
        {{ as_money('claimproc', 'InsPayEst') }} as insurance_estimate,
        {{ as_code('claimproc', 'Status') }} as status_code,
        {{ as_money('claimproc', 'InsPayAmt') }} as insurance_paid,
        {{ as_reference('claimproc', 'ClaimPaymentNum') }} as claim_payment_id,
        {{ as_reference('claimproc', 'PlanNum') }} as plan_id,
        {{ as_date('claimproc', 'DateCP') }} as payment_date,
        {{ as_money('claimproc', 'WriteOff') }} as write_off,
        {{ as_estimate('claimproc', 'WriteOffEst') }} as write_off_estimate,
        {{ as_money('claimproc', 'DedApplied') }} as deductible,
        {{ as_date('claimproc', 'ProcDate') }} as procedure_date,
        {{ as_date('claimproc', 'DateEntry') }} as entry_date,
        {{ as_reference('claimproc', 'ClinicNum') }} as clinic_id,
        {{ as_reference('claimproc', 'InsSubNum') }} as subscription_id,
        {{ as_flag('claimproc', 'IsTransfer') }} as is_transfer,
        r._etl_loaded_at
    from {{ raw_rows('claimproc') }}
)

select
    d.claim_procedure_id,
    d.procedure_id,
    d.claim_id,
    d.patient_id,
    d.provider_id,
    d.fee_billed,
    d.insurance_estimate,
    d.status_code,
    {{ code_name('d.status_code', 'status_name') }} as status,
    d.insurance_paid,
    d.claim_payment_id,
    d.plan_id,
    d.payment_date,
    d.write_off,
    d.write_off_estimate,
    d.deductible,
    d.procedure_date,
    d.entry_date,
    d.clinic_id,
    d.subscription_id,
    d.is_transfer,
    d._etl_loaded_at
from decoded as d
{{ join_codes('claim_procedure_status', 'd.status_code', 'status_name') }}
