{{ config(unique_key='communication_id', meta={'scope': 'communication_id'}) }}
{{ changed_rows('int_communication', 'communication_id') }}
