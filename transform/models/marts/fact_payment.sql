{{ config(materialized='incremental', unique_key='split_id', changes_from='int_payment') }}
{{ changed_rows('int_payment', ['split_id']) }}
