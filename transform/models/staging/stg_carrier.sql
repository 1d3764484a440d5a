select
    {{ as_key('carrier', 'CarrierNum') }} as carrier_id,
    {{ as_text('carrier', 'CarrierName') }} as name,
    {{ as_text('carrier', 'Phone') }} as phone,
    {{ as_flag('carrier', 'IsHidden') }} as is_hidden,
    r._etl_loaded_at
from {{ raw_rows('carrier') }}
