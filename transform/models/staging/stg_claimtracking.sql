select
    {{ as_key('claimtracking', 'ClaimTrackingNum') }} as claim_tracking_id,
    {{ as_reference('claimtracking', 'ClaimNum') }} as claim_id,
    {{ as_text('claimtracking', 'TrackingType') }} as tracking_type,
    {{ as_reference('claimtracking', 'UserNum') }} as user_id,
    {{ as_instant('claimtracking', 'DateTimeEntry') }} as entered_at,
    {{ as_reference('claimtracking', 'TrackingDefNum') }} as tracking_status_id,
    {{ as_reference('claimtracking', 'TrackingErrorDefNum') }} as tracking_error_id,
    r._etl_loaded_at
from {{ raw_rows('claimtracking') }}
