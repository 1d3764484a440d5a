{{ config(materialized='incremental', unique_key='adjustment_id', changes_from='int_adjustment') }}
{{ changed_rows('int_adjustment', ['adjustment_id']) }}
