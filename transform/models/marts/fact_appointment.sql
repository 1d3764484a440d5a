{{ config(unique_key='appointment_id', meta={'scope': 'appointment_id', 'is_followed': true}) }}
{{ changed_rows('int_appointment', 'appointment_id') }}
