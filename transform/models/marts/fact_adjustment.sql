{{ config(unique_key='adjustment_id', indexes=[{'columns': ['patient_id']}], meta={'scope': 'adjustment_id', 'is_followed': true}) }}
{{ changed_rows('int_adjustment', 'adjustment_id') }}
