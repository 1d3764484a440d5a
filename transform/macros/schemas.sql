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
