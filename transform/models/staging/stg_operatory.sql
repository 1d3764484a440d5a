select
    {{ as_key('operatory', 'OperatoryNum') }} as operatory_id,
    {{ as_text('operatory', 'OpName') }} as name,
    {{ as_text('operatory', 'Abbrev') }} as abbreviation,
    {{ as_reference('operatory', 'ProvDentist') }} as dentist_id,
    {{ as_reference('operatory', 'ProvHygienist') }} as hygienist_id,
    {{ as_flag('operatory', 'IsHygiene') }} as is_hygiene,
    {{ as_flag('operatory', 'IsHidden') }} as is_hidden,
    {{ as_reference('operatory', 'ClinicNum') }} as clinic_id,
    r._etl_loaded_at
from {{ raw_rows('operatory') }}
