-- Rows that the models cannot take: they are in no model, and named by table and key.
{{ config(severity='warn') }}
select table_name, key_column, key_value, column_names
from {{ ref('int_row_left_out') }}
