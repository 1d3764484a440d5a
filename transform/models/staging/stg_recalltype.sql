select
    {{ as_key('recalltype', 'RecallTypeNum') }} as recall_type_id,
    {{ as_text('recalltype', 'Description') }} as name,
    r._etl_loaded_at
from {{ raw_rows('recalltype') }}
