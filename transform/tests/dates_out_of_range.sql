-- Entries with a wrong year: they are kept, and named by table, key and column.
{{ config(severity='warn') }}
select table_name, key_column, key_value, date_column, found_date
from {{ ref('int_date_outlier') }}
