{#-
  Keys that other models name and the table of the dimension does not have: "inferred members" in
  Kimball's words. They get a row of their own, so that a join of a fact and its dimension loses
  nothing; `no_inferred_members` counts them.
-#}
{% macro inferred_members(key, known, references) -%}
    select distinct named.key
    from (
        {%- for reference in references %}
        {%- set parts = reference.split('.') %}
        select {{ parts[1] }} as key from {{ ref(parts[0]) }}
        {{ 'union' if not loop.last }}
        {%- endfor %}
    ) as named
    where named.key <> 0
      and not exists (select from {{ ref(known) }} as k where k.{{ key }} = named.key)
{%- endmacro %}

{#- Every key has a member in its dimension: none is NULL, and an inner join loses no row. -#}
{% test keys_have_members(model, references) %}
{%- for column, parent in references.items() %}
{%- set parts = parent.split('.') %}
select '{{ column }}' as reference, m.{{ column }} as key, count(*) as rows_of_the_key
from {{ model }} as m
where not exists (select from {{ ref(parts[0]) }} as p where p.{{ parts[1] }} = m.{{ column }})
group by m.{{ column }}
{{ 'union all' if not loop.last }}
{%- endfor %}
{% endtest %}

{#-
  Members that others name and the source does not have. It has no foreign keys, and its tables are
  read minutes apart, so this warns; the rows are kept.
-#}
{% test no_inferred_members(model, key) %}
{{ config(severity='warn') }}
select {{ key }} from {{ model }} where is_missing and {{ key }} <> 0
{% endtest %}
