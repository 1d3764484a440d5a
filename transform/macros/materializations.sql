{#-
  How a model reaches the warehouse. dbt's own way replaces relations and drops what stands on
  them; here a relation stays the same one as long as its columns allow, so views, grants and
  comments of others stay, and readers see the old rows or the new ones.

  - A view is replaced in place.
  - A table gets the differences only: rows that are gone or changed are deleted, others inserted.
  - A relation whose columns do not fit any more is renamed to <name>__before, and its grants are
    given to the new one. What stood on it goes on reading the old one; `etl transform` drops those
    on which nothing stands, and names the others.

  One DO block a model, comments included, so one round trip and one transaction.
-#}

{% macro etl_say_in_comments(target) %}
        {#- Only comments that are others: one that is written anew costs a lock and a dead row. -#}
    {%- if config.persist_relation_docs() and model.description %}
    if obj_description('{{ target }}'::regclass, 'pg_class') is distinct from {{ etl_words(model.description) }} then
        execute format('comment on {{ target.type }} {{ target }} is %L', {{ etl_words(model.description) }});
    end if;
    {%- endif %}
    {%- set described = [] %}
    {%- for column in (model.columns.values() if config.persist_column_docs() else []) if column.description %}
        {%- do described.append("('" ~ column.name ~ "', " ~ etl_words(column.description) ~ ")") %}
    {%- endfor %}
    {%- if described %}
    for statement in
        select format('comment on column {{ target }}.%I is %L', a.attname, said.words)
          from pg_attribute as a join (values {{ described | join(', ') }}) as said (name, words) on said.name = a.attname
         where a.attrelid = '{{ target }}'::regclass and a.attnum > 0
           and col_description(a.attrelid, a.attnum) is distinct from said.words
    loop execute statement; end loop;
    {%- endif %}
{% endmacro %}

{% macro etl_words(text) -%}
    {%- if '$words$' in text -%}{{ exceptions.raise_compiler_error('a description holds $words$') }}{%- endif -%}
    $words${{ text | trim }}$words$
{%- endmacro %}

{% macro etl_set_aside(target) %}
        {#- Ends with the old relation out of the way; grants_kept holds its grants. -#}
        select coalesce(array_agg(format('grant %s on %s to %s%s', a.privilege_type, '{{ target }}',
                   case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
                   case when a.is_grantable then ' with grant option' else '' end)), '{}')
          into grants_kept
          from pg_class as c cross join lateral aclexplode(c.relacl) as a
         where c.oid = '{{ target }}'::regclass and a.grantee <> c.relowner;
        select relkind into kind from pg_class where oid = '{{ target }}'::regclass;
        if kind not in ('v', 'r', 'p') then
            raise exception '% is neither a view nor a table', '{{ target }}' using errcode = 'ET001';
        end if;
        aside := '{{ target.identifier }}__before';
        while to_regclass('{{ target.include(identifier=False) }}.' || quote_ident(aside)) is not null loop
            aside := '{{ target.identifier }}__before' || coalesce(nullif(substring(aside from '[0-9]*$'), '')::int + 1, 2);
        end loop;
        execute format('alter %s {{ target }} rename to %I',
                       case when kind = 'v' then 'view' else 'table' end, aside);
{% endmacro %}

{% macro etl_give_grants() %}
        foreach statement in array grants_kept loop execute statement; end loop;
{% endmacro %}

{% materialization kept_view, adapter='postgres' %}
    {%- set target = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
do $etl$
declare
    grants_kept text[]; statement text; kind "char"; aside text; is_same boolean;
begin
    -- Readers of a view that is replaced wait until the build ends; one that is the same stays.
    execute $model$create temporary view etl_new_view as {{ sql }}$model$;
    is_same := coalesce(pg_get_viewdef('pg_temp.etl_new_view'::regclass) = (
        select pg_get_viewdef(c.oid) from pg_class as c
         where c.oid = to_regclass('{{ target }}') and c.relkind = 'v'), false);
    drop view pg_temp.etl_new_view;
    begin
        if not is_same then
            execute $model$create or replace view {{ target }} as {{ sql }}$model$;
        end if;
    exception when invalid_table_definition or wrong_object_type then
{{ etl_set_aside(target) }}
        execute $model$create view {{ target }} as {{ sql }}$model$;
{{ etl_give_grants() }}
    end;
{{ etl_keep_contract(target) }}
{{ etl_say_in_comments(target) }}
end $etl$
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% macro etl_table(target, sql, key, scope) %}
{%- set key_list = key | join(', ') %}
do $etl$
declare
    columns_old text[]; columns_new text[]; names text; names_n text; names_t text;
    grants_kept text[]; statement text; kind "char"; aside text; is_filled boolean; inserted bigint;
begin
  <<build>>
  begin
    if to_regclass('{{ target }}') is null then
        execute $model$create table {{ target }} as {{ sql }}$model$;
        alter table {{ target }} add primary key ({{ key_list }});
        analyze {{ target }};
        exit build;
    end if;
    execute $model$create temporary table etl_new on commit drop as {{ sql }}$model$;
    select array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) order by a.attnum)
      into columns_old from pg_attribute as a
     where a.attrelid = '{{ target }}'::regclass and a.attnum > 0 and not a.attisdropped;
    select array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) order by a.attnum),
           string_agg(quote_ident(a.attname), ', ' order by a.attnum),
           string_agg('n.' || quote_ident(a.attname), ', ' order by a.attnum),
           string_agg('t.' || quote_ident(a.attname), ', ' order by a.attnum)
      into columns_new, names, names_n, names_t from pg_attribute as a
     where a.attrelid = 'pg_temp.etl_new'::regclass and a.attnum > 0;
    select relkind into kind from pg_class where oid = '{{ target }}'::regclass;
    if kind not in ('r', 'p') or not columns_new @> columns_old
       or (select array_agg(a.attname::text order by k.place) from pg_constraint as c
             cross join unnest(c.conkey) with ordinality as k (attnum, place)
             join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.attnum
            where c.conrelid = '{{ target }}'::regclass and c.contype = 'p')
          is distinct from array[{% for column in key %}'{{ column }}'{{ ', ' if not loop.last }}{% endfor %}]::text[] then
        {%- if scope %}
        raise exception 'the columns of % are others: --full-refresh', '{{ target }}' using errcode = 'ET003';
        {%- endif %}
{{ etl_set_aside(target) }}
        execute $model$create table {{ target }} as select * from pg_temp.etl_new$model$;
        alter table {{ target }} add primary key ({{ key_list }});
{{ etl_give_grants() }}
        analyze {{ target }};
        drop table pg_temp.etl_new;
        exit build;
    end if;
    for statement in select unnest(columns_new) except select unnest(columns_old) loop
        execute format('alter table {{ target }} add column %I %s',
                       split_part(statement, ' ', 1), substr(statement, strpos(statement, ' ') + 1));
    end loop;
    {%- if config.get('meta', {}).get('is_followed') %}
    create temporary table etl_changes_of_{{ model.name }} on commit drop as table {{ target }} with no data;
    {%- endif %}
    execute 'select exists (select from {{ target }})' into is_filled;
    if is_filled then
    {{ etl_keep_changes('delete from ' ~ target ~ ' as t where ' ~ ('t.' ~ scope ~ ' in (select value from pg_temp.etl_scope) and ' if scope else '')
        ~ 'not exists (select from pg_temp.etl_new as n where ' ~ etl_same(key, 'n', 't') ~ ' and row(%s) is not distinct from row(%s))', 'names_n, names_t') }}
    {{ etl_keep_changes('insert into ' ~ target ~ ' as t (%s) select %s from pg_temp.etl_new as n where not exists (select from '
        ~ target ~ ' as t where ' ~ etl_same(key, 'n', 't') ~ ')', 'names, names_n') }}
    else
    -- An empty table is read for nothing by the planner, so it would be read for each new row as it grows.
    {{ etl_keep_changes('insert into ' ~ target ~ ' as t (%s) select %s from pg_temp.etl_new as n', 'names, names_n') }}
    end if;
    get diagnostics inserted = row_count;
    -- What is built from it next is planned by its statistics; autovacuum sees it only after the build.
    if inserted > 50 + 0.1 * (select greatest(reltuples, 0) from pg_class where oid = '{{ target }}'::regclass) then
        analyze {{ target }};
    end if;
    drop table pg_temp.etl_new;
  end build;
{{ etl_make_indexes(target) }}
{{ etl_keep_contract(target) }}
{{ etl_say_in_comments(target) }}
end $etl$
{% endmacro %}

{#- dbt's setting `indexes`: an index on each list of columns, made where there is none. -#}
{% macro etl_make_indexes(target) %}
    {%- for index in config.get('indexes') or [] %}
    if not exists (
        select from pg_index as i
         where i.indrelid = '{{ target }}'::regclass
           and array[{% for column in index.columns %}'{{ column }}'{{ ', ' if not loop.last }}{% endfor %}]::text[] = (
               select array_agg(a.attname::text order by k.place) from unnest(i.indkey) with ordinality as k (attnum, place)
                 join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum)
    ) then
        create index on {{ target }} ({{ index.columns | join(', ') }});
    end if;
    {%- endfor %}
{% endmacro %}

{% macro etl_same(key, one, other) -%}
    {%- for column in key %}{{ one }}.{{ column }} = {{ other }}.{{ column }}{{ ' and ' if not loop.last }}{% endfor -%}
{%- endmacro %}

{% macro etl_key() -%}
    {%- set key = config.get('unique_key') -%}
    {%- if not key -%}{{ exceptions.raise_compiler_error(this ~ ' declares no unique_key, its grain') }}{%- endif -%}
    {{ return([key] if key is string else key) }}
{%- endmacro %}

{% materialization kept_table, adapter='postgres' %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set scope = config.get('meta', {}).get('scope') if etl_may_follow() else none -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') %}{{ etl_table(target, sql, etl_key(), scope) }}{% endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{#- A seed is emptied and filled again; a column that a new version gives it is added before. -#}
{% macro postgres__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {%- set there = adapter.get_columns_in_relation(old_relation) | map(attribute='name') | list %}
    {%- for column in agate_table.column_names if column not in there %}
        {%- call statement('add_column') %}
        alter table {{ old_relation }} add column {{ adapter.quote(column) }}
            {{ model['config'].get('column_types', {}).get(column, 'text') }}
        {%- endcall %}
    {%- endfor %}
    {#- Nobody who reads it waits for a deletion. -#}
    {% call statement('empty') %}delete from {{ old_relation }}{% endcall %}
    {{ return('delete from ' ~ old_relation.render()) }}
{% endmacro %}
