select
    {{ as_key('clinic', 'ClinicNum') }} as clinic_id,
    {{ as_text('clinic', 'Description') }} as name,
    {{ as_text('clinic', 'Abbr') }} as abbreviation,
    {{ as_text('clinic', 'City') }} as city,
    {{ as_flag('clinic', 'IsHidden') }} as is_hidden,
    r._etl_loaded_at
from {{ raw_rows('clinic') }}
