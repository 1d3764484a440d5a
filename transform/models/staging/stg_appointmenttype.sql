select
    {{ as_key('appointmenttype', 'AppointmentTypeNum') }} as appointment_type_id,
    {{ as_text('appointmenttype', 'AppointmentTypeName') }} as name,
    r._etl_loaded_at
from {{ raw_rows('appointmenttype') }}
