select
    {{ as_key('payment', 'PayNum') }} as payment_id,
    {{ as_reference('payment', 'PayType') }} as payment_type_id,
    {{ as_date('payment', 'PayDate') }} as payment_date,
    {{ as_money('payment', 'PayAmt') }} as amount,
    {{ as_text('payment', 'CheckNum') }} as check_number,
    {{ as_reference('payment', 'PatNum') }} as patient_id,
    {{ as_reference('payment', 'ClinicNum') }} as clinic_id,
    {{ as_date('payment', 'DateEntry') }} as entry_date,
    r._etl_loaded_at
from {{ raw_rows('payment') }}
