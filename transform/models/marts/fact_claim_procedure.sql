{{ config(materialized='incremental', unique_key='claim_procedure_id', changes_from='int_claim_procedure') }}
{{ changed_rows('int_claim_procedure', ['claim_procedure_id']) }}
