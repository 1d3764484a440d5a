select
    {{ as_key('recall', 'RecallNum') }} as recall_id,
    {{ as_reference('recall', 'PatNum') }} as patient_id,
    {{ as_date('recall', 'DateDueCalc') }} as calculated_due_date,
    {{ as_date('recall', 'DateDue') }} as due_date,
    {{ as_date('recall', 'DatePrevious') }} as previous_date,
    {{ as_reference('recall', 'RecallStatus') }} as recall_status_id,
    {{ as_flag('recall', 'IsDisabled') }} as is_disabled,
    {{ as_date('recall', 'DisableUntilDate') }} as disabled_until,
    {{ as_money('recall', 'DisableUntilBalance') }} as disabled_until_balance,
    {{ as_reference('recall', 'RecallTypeNum') }} as recall_type_id,
    {{ as_date('recall', 'DateScheduled') }} as scheduled_date,
    r._etl_loaded_at
from {{ raw_rows('recall') }}
