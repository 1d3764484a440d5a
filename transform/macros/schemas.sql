{#- Models land in exactly the schema that is configured for their layer. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

{#- When each table was last read from the source: the last run in which it succeeded. -#}
{% macro postgres__collect_freshness(source, loaded_at_field, filter) %}
    {% call statement('collect_freshness', fetch_result=True, auto_begin=False) -%}
        select max(r.started_at) as max_loaded_at, clock_timestamp() as snapshotted_at
        from etl.table_run as t
        join etl.run as r on r.run_id = t.run_id
        where t.table_name = '{{ source.identifier }}' and t.error is null
    {%- endcall %}
    {{ return(load_result('collect_freshness')) }}
{% endmacro %}

{#- Columns of a relation. dbt asks information_schema, whose view takes ten times as long. -#}
{% macro postgres__get_columns_in_relation(relation) %}
    {% call statement('get_columns_in_relation', fetch_result=True) %}
        select a.attname as column_name, format_type(a.atttypid, null) as data_type,
               information_schema._pg_char_max_length(a.atttypid, a.atttypmod) as character_maximum_length,
               information_schema._pg_numeric_precision(a.atttypid, a.atttypmod) as numeric_precision,
               information_schema._pg_numeric_scale(a.atttypid, a.atttypmod) as numeric_scale
        from pg_attribute as a
        where a.attrelid = '{{ relation }}'::regclass and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    {% endcall %}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{% endmacro %}
