with decoded as (
    select
        {{ as_key('patient', 'PatNum') }} as patient_id,
        {{ as_text('patient', 'LName') }} as last_name,
        {{ as_text('patient', 'FName') }} as first_name,
        {{ as_text('patient', 'MiddleI') }} as middle_initial,
        {{ as_code('patient', 'PatStatus') }} as status_code,
        {{ as_code('patient', 'Gender') }} as gender_code,
        {{ as_date('patient', 'Birthdate') }} as birth_date,
        {{ as_reference('patient', 'Guarantor') }} as guarantor_id,
        {{ as_reference('patient', 'PriProv') }} as primary_provider_id,
        {{ as_reference('patient', 'SecProv') }} as hygienist_id,
        {{ as_reference('patient', 'ClinicNum') }} as clinic_id,
        {{ as_reference('patient', 'FeeSched') }} as fee_schedule_id,
        {{ as_reference('patient', 'BillingType') }} as billing_type_id,
        {{ as_date('patient', 'DateFirstVisit') }} as first_visit_date,
        {{ as_text('patient', 'Zip') }} as postal_code,
        {{ as_money('patient', 'BalTotal') }} as balance_total,
        {{ as_money('patient', 'InsEst') }} as insurance_estimate,
        r._etl_loaded_at
    from {{ raw_rows('patient') }}
)

select
    d.patient_id,
    d.last_name,
    d.first_name,
    d.middle_initial,
    d.status_code,
    {{ code_name('d.status_code', 'status_name') }} as status,
    d.gender_code,
    {{ code_name('d.gender_code', 'gender_name') }} as gender,
    d.birth_date,
    d.guarantor_id,
    d.primary_provider_id,
    d.hygienist_id,
    d.clinic_id,
    d.fee_schedule_id,
    d.billing_type_id,
    d.first_visit_date,
    d.postal_code,
    d.balance_total,
    d.insurance_estimate,
    d._etl_loaded_at
from decoded as d
{{ join_codes('patient_status', 'd.status_code', 'status_name') }}
{{ join_codes('gender', 'd.gender_code', 'gender_name') }}
