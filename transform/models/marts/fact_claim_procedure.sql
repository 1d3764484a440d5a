{{ config(unique_key='claim_procedure_id', indexes=[{'columns': ['patient_id']}], meta={'scope': 'claim_procedure_id', 'is_followed': true}) }}
{{ changed_rows('int_claim_procedure', 'claim_procedure_id') }}
