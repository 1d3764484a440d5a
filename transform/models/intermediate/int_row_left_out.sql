-- Rows of raw that the models do not take, and the columns that are why; the rules are in
-- macros/left_out.sql. They are in no other model; the test rows_left_out counts and names them.
{%- set parts = [] %}
{%- for table, columns in bounded_columns().items() if table not in var('missing_tables') + var('unusable_tables') %}
{%- set part %}
select '{{ table }}' as table_name, '{{ columns.key }}' as key_column, r."{{ columns.key }}"::bigint as key_value,
    concat_ws(', '{% for column, condition in bounds_of(table) %}, case when not ({{ condition }}) then '{{ column }}' end{% endfor %}) as column_names
from {{ source('raw', table) }} as r
where not ({{ is_taken(table) }})
    {%- if table in var('marked_tables') %}
  and r."_etl_deleted_at" is null
    {%- endif %}
{% endset %}
{%- do parts.append(part) %}
{%- endfor %}
{{ parts | join('union all') }}
