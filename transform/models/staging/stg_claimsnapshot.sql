select
    {{ as_key('claimsnapshot', 'ClaimSnapshotNum') }} as claim_snapshot_id,
    {{ as_reference('claimsnapshot', 'ClaimProcNum') }} as claim_procedure_id,
    {{ as_estimate('claimsnapshot', 'Writeoff') }} as write_off,
    {{ as_local_time('claimsnapshot', 'DateTEntry') }} as entered_at,
    r._etl_loaded_at
from {{ raw_rows('claimsnapshot') }}
