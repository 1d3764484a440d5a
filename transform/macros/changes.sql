{#-
  How a table takes over what changed, in place of making every row anew.

  `etl transform` builds in one transaction and says in its setting etl.following which models may: those
  that were built by the same code, whose relation nobody else changed, and of which all that they do
  not follow is as it was then. A model that may not, or that a bare dbt builds, is made as a whole and
  compared by value.

  Such a model has `meta: {scope: column}`. The rows of which `column` has one of the values that
  `take_changes` selects are made anew (`in_scope`), and compared by value with those that are there.
  - A fact compares versions (`changed_rows`): _etl_version of a row says which versions of rows of raw
    it is made from.
  - A model with `meta: {follows: [...]}` asks which rows the models that it follows wrote and deleted in
    this transaction (`changes_of`).
-#}

{% macro etl_may_follow() -%}
    {%- if not execute or model.resource_type != 'model' -%} {{ return(false) }} {%- endif -%}
    {{ return(etl_ask_once("model_may_follow",
        "select '" ~ model.name ~ "' = any(string_to_array(current_setting('etl.following', true), ' '))")) }}
{%- endmacro %}

{#- The answer of the warehouse to a query for one value; it is asked once a model. -#}
{% macro etl_ask_once(name, query) -%}
    {%- set answers = model.setdefault('etl_answers', {}) -%}
    {%- if name not in answers -%}{%- do answers.update({name: run_query(query).rows[0][0]}) -%}{%- endif -%}
    {{ return(answers[name]) }}
{%- endmacro %}

{#- The version of a row that is made from rows with these times of loading; NULL where one is not there. -#}
{% macro row_version(loaded, others='0') -%}
    ((date_part('epoch', greatest({{ loaded | join(', ') }})) * 1000000)::bigint * 1000
        + num_nonnulls({{ loaded | join(', ') }}) + {{ others }})::bigint
{%- endmacro %}

{#- The body of a fact: the rows of a model that has their versions. -#}
{% macro changed_rows(model_name, key) -%}
{%- call take_changes() %}
select coalesce(s.{{ key }}, t.{{ key }})
from {{ ref(model_name) }} as s
full join {{ this }} as t on t.{{ key }} = s.{{ key }}
where s._etl_version is distinct from t._etl_version
{%- endcall -%}
{#- An array is handed down to where the rows are looked up by their key; a semi-join is not. -#}
select s.* from {{ ref(model_name) }} as s
    {%- if etl_may_follow() %} where s.{{ key }} = any(array(select value from pg_temp.etl_scope)) {%- endif %}
{%- endmacro %}

{#-
  Rows that a model wrote and deleted in this transaction, old ones and new ones. A row of which nothing but
  the version is another is none of them: it is there twice.
-#}
{% macro changes_of(name) -%}
    {%- if name not in config.get('meta', {}).get('follows', []) -%}
        {{ exceptions.raise_compiler_error(model.name ~ ' does not say that it follows ' ~ name) }}
    {%- endif -%}
    {%- if execute and etl_ask_once(name, "select to_regclass('pg_temp.etl_changes_of_" ~ name ~ "') is not null") -%}
        {%- set columns = (graph.nodes.values() | selectattr('name', 'equalto', name) | first).columns.keys() | list -%}
        {%- if '_etl_version' in columns -%}
            {%- set compared = columns | reject('equalto', '_etl_version') | join(', ') -%}
            (select {{ compared }} from pg_temp.etl_changes_of_{{ name }} group by {{ compared }} having count(*) = 1)
        {%- else -%} pg_temp.etl_changes_of_{{ name }}
        {%- endif -%}
    {%- else -%} (select * from {{ ref(name) }} where false) {%- endif -%}
{%- endmacro %}

{#- Called with the query for the values of the scope. -#}
{% macro take_changes() -%}
    {%- if etl_may_follow() -%}
        {%- do run_query(
            'drop table if exists pg_temp.etl_scope; '
            'create temporary table etl_scope on commit drop as select distinct value from (' ~ caller() ~ ') as changed (value); '
            'analyze pg_temp.etl_scope') -%}
    {%- endif -%}
{%- endmacro %}

{#- The condition that a row is made anew. -#}
{% macro in_scope(expression) -%}
    {%- if etl_may_follow() -%} {{ expression }} in (select value from pg_temp.etl_scope)
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{#- In the statement that builds: keeps the rows that it deletes and inserts, for those that follow. -#}
{% macro etl_keep_changes(statement, rows) -%}
    {%- if config.get('meta', {}).get('is_followed') -%}
    execute format($write$with written as ({{ statement }} returning t.*)
        insert into pg_temp.etl_changes_of_{{ model.name }} select * from written$write$, {{ rows }});
    {%- else -%}
    execute format($write${{ statement }}$write$, {{ rows }});
    {%- endif -%}
{%- endmacro %}
