select
    {{ as_key('procedurecode', 'CodeNum') }} as procedure_code_id,
    {{ as_text('procedurecode', 'ProcCode') }} as code,
    {{ as_text('procedurecode', 'Descript') }} as description,
    {{ as_text('procedurecode', 'AbbrDesc') }} as abbreviation,
    {{ as_reference('procedurecode', 'ProcCat') }} as category_id,
    {{ as_flag('procedurecode', 'IsHygiene') }} as is_hygiene,
    {{ as_flag('procedurecode', 'IsProsth') }} as is_prosthetic,
    {{ as_flag('procedurecode', 'IsRadiology') }} as is_radiology,
    r._etl_loaded_at
from {{ raw_rows('procedurecode') }}
