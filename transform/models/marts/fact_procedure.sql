{{ config(materialized='incremental', unique_key='procedure_id', changes_from='int_procedure') }}
{{ changed_rows('int_procedure', ['procedure_id']) }}
