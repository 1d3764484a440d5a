{{ config(materialized='incremental', unique_key='communication_id', changes_from='int_communication') }}
{{ changed_rows('int_communication', ['communication_id']) }}
