select
    {{ as_key('definition', 'DefNum') }} as definition_id,
    {{ as_integer('definition', 'Category') }} as category,
    {{ as_text('definition', 'ItemName') }} as name,
    {{ as_text('definition', 'ItemValue') }} as value,
    {{ as_flag('definition', 'IsHidden') }} as is_hidden,
    r._etl_loaded_at
from {{ raw_rows('definition') }}
