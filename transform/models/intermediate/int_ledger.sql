{{ config(materialized='incremental', unique_key=['entry_kind', 'source_id'], changes_from='int_ledger_entry') }}
{{ changed_rows('int_ledger_entry', ['entry_kind', 'source_id']) }}
