{{ config(unique_key='split_id', indexes=[{'columns': ['patient_id']}], meta={'scope': 'split_id', 'is_followed': true}) }}
{{ changed_rows('int_payment', 'split_id') }}
