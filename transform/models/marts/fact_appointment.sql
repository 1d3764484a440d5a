{{ config(materialized='incremental', unique_key='appointment_id', changes_from='int_appointment') }}
{{ changed_rows('int_appointment', ['appointment_id']) }}
