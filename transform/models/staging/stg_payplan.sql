select
    {{ as_key('payplan', 'PayPlanNum') }} as payment_plan_id,
    {{ as_reference('payplan', 'PatNum') }} as patient_id,
    {{ as_reference('payplan', 'Guarantor') }} as guarantor_id,
    {{ as_reference('payplan', 'PlanNum') }} as plan_id,
    {{ as_date('payplan', 'PayPlanDate') }} as agreed_date,
    {{ as_number('payplan', 'APR') }} as yearly_interest_percent,
    {{ as_money('payplan', 'CompletedAmt') }} as completed_amount,
    {{ as_flag('payplan', 'IsClosed') }} as is_closed,
    {{ as_flag('payplan', 'IsDynamic') }} as is_dynamic,
    {{ as_code('payplan', 'DynamicPayPlanTPOption') }} as planned_work_code,
    r._etl_loaded_at
from {{ raw_rows('payplan') }}
