-- Patients come, come back, are lost and change clinics; nobody else comes or goes.
select month_start, clinic_id, active_at_start, active_at_end
from {{ ref('patients_by_month') }}
where active_at_start + new_patients + recaptured + moved_in - lost - moved_out <> active_at_end
