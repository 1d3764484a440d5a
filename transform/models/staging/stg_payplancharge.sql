select
    {{ as_key('payplancharge', 'PayPlanChargeNum') }} as payment_plan_charge_id,
    {{ as_reference('payplancharge', 'PayPlanNum') }} as payment_plan_id,
    {{ as_reference('payplancharge', 'PatNum') }} as patient_id,
    {{ as_reference('payplancharge', 'Guarantor') }} as guarantor_id,
    {{ as_date('payplancharge', 'ChargeDate') }} as charge_date,
    {{ as_money('payplancharge', 'Principal') }} as principal,
    {{ as_money('payplancharge', 'Interest') }} as interest,
    {{ as_code('payplancharge', 'ChargeType') }} as charge_type_code,
    {{ as_reference('payplancharge', 'ProvNum') }} as provider_id,
    {{ as_reference('payplancharge', 'ClinicNum') }} as clinic_id,
    r._etl_loaded_at
from {{ raw_rows('payplancharge') }}
