select
    {{ as_key('fee', 'FeeNum') }} as fee_id,
    {{ as_money('fee', 'Amount') }} as amount,
    {{ as_reference('fee', 'FeeSched') }} as fee_schedule_id,
    {{ as_reference('fee', 'CodeNum') }} as procedure_code_id,
    {{ as_reference('fee', 'ClinicNum') }} as clinic_id,
    {{ as_reference('fee', 'ProvNum') }} as provider_id,
    r._etl_loaded_at
from {{ raw_rows('fee') }}
