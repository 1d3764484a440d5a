select
    {{ as_key('preference', 'PrefNum') }} as preference_id,
    {{ as_text('preference', 'PrefName') }} as name,
    {{ as_text('preference', 'ValueString') }} as value,
    r._etl_loaded_at
from {{ raw_rows('preference') }}
