select
    {{ as_key('claimpayment', 'ClaimPaymentNum') }} as claim_payment_id,
    {{ as_date('claimpayment', 'CheckDate') }} as check_date,
    {{ as_money('claimpayment', 'CheckAmt') }} as check_amount,
    {{ as_text('claimpayment', 'CheckNum') }} as check_number,
    {{ as_text('claimpayment', 'CarrierName') }} as carrier_name,
    {{ as_reference('claimpayment', 'PayType') }} as payment_type_id,
    {{ as_reference('claimpayment', 'ClinicNum') }} as clinic_id,
    {{ as_flag('claimpayment', 'IsPartial') }} as is_partial,
    r._etl_loaded_at
from {{ raw_rows('claimpayment') }}
