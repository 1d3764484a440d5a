select
    {{ as_key('referral', 'ReferralNum') }} as referral_id,
    {{ as_text('referral', 'LName') }} as last_name,
    {{ as_text('referral', 'FName') }} as first_name,
    {{ as_flag('referral', 'IsDoctor') }} as is_doctor,
    {{ as_flag('referral', 'NotPerson') }} as is_not_person,
    {{ as_flag('referral', 'IsHidden') }} as is_hidden,
    r._etl_loaded_at
from {{ raw_rows('referral') }}
