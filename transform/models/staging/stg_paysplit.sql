select
    {{ as_key('paysplit', 'SplitNum') }} as split_id,
    {{ as_money('paysplit', 'SplitAmt') }} as amount,
    {{ as_reference('paysplit', 'PatNum') }} as patient_id,
    {{ as_reference('paysplit', 'PayNum') }} as payment_id,
    {{ as_reference('paysplit', 'ProvNum') }} as provider_id,
    {{ as_reference('paysplit', 'ClinicNum') }} as clinic_id,
    {{ as_reference('paysplit', 'ProcNum') }} as procedure_id,
    {{ as_date('paysplit', 'DatePay') }} as payment_date,
    {{ as_reference('paysplit', 'UnearnedType') }} as unearned_type_id,
    {{ as_reference('paysplit', 'PayPlanNum') }} as payment_plan_id,
    {{ as_reference('paysplit', 'AdjNum') }} as adjustment_id,
    r._etl_loaded_at
from {{ raw_rows('paysplit') }}
