select
    {{ as_key('provider', 'ProvNum') }} as provider_id,
    {{ as_text('provider', 'Abbr') }} as abbreviation,
    {{ as_text('provider', 'LName') }} as last_name,
    {{ as_text('provider', 'FName') }} as first_name,
    {{ as_flag('provider', 'IsSecondary') }} as is_hygienist,
    {{ as_flag('provider', 'IsNotPerson') }} as is_not_person,
    {{ as_flag('provider', 'IsHidden') }} as is_hidden,
    {{ as_reference('provider', 'Specialty') }} as specialty_id,
    {{ as_reference('provider', 'FeeSched') }} as fee_schedule_id,
    {{ as_money('provider', 'HourlyProdGoalAmt') }} as hourly_goal,
    {{ as_date('provider', 'DateTerm') }} as term_date,
    r._etl_loaded_at
from {{ raw_rows('provider') }}
