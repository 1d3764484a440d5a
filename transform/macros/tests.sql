{#-
  The declared grain: no two rows of the same key, and no key without a value. A primary key of these
  columns has proven it already.
-#}
{% test grain(model, columns) %}
{%- set has_key = execute and run_query("
    select exists (
        select from pg_constraint as c
        where c.conrelid = to_regclass('" ~ model ~ "') and c.contype = 'p'
          and array['" ~ columns | join("', '") ~ "']::text[] <@ (
              select array_agg(a.attname::text) from unnest(c.conkey) as k (attnum)
              join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.attnum)
          and cardinality(c.conkey) = " ~ columns | length ~ ")").rows[0][0] %}
select {{ columns | join(', ') }}, count(*) as rows_of_the_key
from {{ model }}
{% if has_key %} where false {% endif %}
group by {{ columns | join(', ') }}
having count(*) > 1 {% for column in columns %} or bool_or({{ column }} is null) {% endfor %}
{% endtest %}

{#-
  References to rows that are not there. The source has no foreign keys, and its tables are read
  minutes apart, so this warns; the rows are kept.
-#}
{% test no_orphans(model, references) %}
{{ config(severity='warn') }}
{%- for column, parent in references.items() %}
{%- set parts = parent.split('.') %}
select '{{ column }}' as reference, m.{{ column }} as orphan, count(*) as rows_of_the_orphan
from {{ model }} as m
where m.{{ column }} is not null
  and not exists (select from {{ ref(parts[0]) }} as p where p.{{ parts[1] }} = m.{{ column }})
group by m.{{ column }}
{{ 'union all' if not loop.last }}
{%- endfor %}
{% endtest %}
