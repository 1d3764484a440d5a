{{ config(unique_key='procedure_id', indexes=[{'columns': ['patient_id']}], meta={'scope': 'procedure_id', 'is_followed': true}) }}
{{ changed_rows('int_procedure', 'procedure_id') }}
