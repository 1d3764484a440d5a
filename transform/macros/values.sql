{#-
  How a column of raw is read. Each takes the name that OpenDental gave the column; a column that
  this release does not have is NULL.
-#}
{% macro raw_column(table, column, type) -%}
    {%- if column in var('missing_columns').get(table, []) or table in var('missing_tables') -%} null::{{ type }}
    {%- else -%} r."{{ column }}" {%- endif -%}
{%- endmacro %}

{#-
  Rows of a table of raw, without those that are only kept there as deleted and those that are left
  out (left_out.sql). A table that can be done without is read as one without rows where this release
  does not have it.
-#}
{% macro raw_rows(table) -%}
    {%- set relation = source('raw', table) -%}
    {%- if table in var('missing_tables') -%} (select null::timestamptz as _etl_loaded_at where false) as r
    {%- else -%} {{ relation }} as r
        {%- set conditions = [is_taken(table)] | reject('none') | list %}
        {%- if table in var('marked_tables') %}
            {%- do conditions.append('r."_etl_deleted_at" is null') %}
        {%- endif %}
        {%- if conditions %}
    where {{ conditions | join('\n      and ') }}
        {%- endif %}
    {%- endif %}
{%- endmacro %}

{% macro as_key(table, column) -%} {{ raw_column(table, column, 'bigint') }}::bigint {%- endmacro %}

{#- A reference: 0 means that there is no such row. -#}
{% macro as_reference(table, column) -%}
    nullif({{ raw_column(table, column, 'bigint') }}::bigint, 0)
{%- endmacro %}

{% macro as_text(table, column) -%}
    nullif({{ raw_column(table, column, 'text') }}::text, '')
{%- endmacro %}

{#- One that could not be added to another of its kind is not known. -#}
{% macro as_integer(table, column) -%}
    {%- set value = raw_column(table, column, 'integer') | trim -%}
    (case when {{ is_small_number(value) }} then {{ value }}::integer end)
{%- endmacro %}

{% macro as_number(table, column) -%}
    {{ raw_column(table, column, 'double precision') }}::double precision
{%- endmacro %}

{#-
  Money: OpenDental keeps it as a double. PostgreSQL writes a double with 15 significant digits
  when it makes it a numeric, so 0.1 + 0.2 is 0.3; then halves are rounded away from zero.
-#}
{% macro as_money(table, column) -%}
    {%- set value = listed_money(table, column) -%}
    (case when {{ is_money(value) }} then {{ value }}::numeric end)::numeric(12, 2)
{%- endmacro %}

{#- Estimates hold -1 where none was made. -#}
{% macro as_estimate(table, column) -%}
    nullif({{ as_money(table, column) }}, -1.00)
{%- endmacro %}

{% macro as_flag(table, column) -%}
    ({{ raw_column(table, column, 'integer') }}::integer <> 0)
{%- endmacro %}

{#- A date: 0001-01-01 and 1900-01-01 mean that there is none, and so does one without end. -#}
{% macro as_date(table, column) -%}
    {%- set value = raw_column(table, column, 'date') | trim -%}
    case when {{ is_finite(value) }}
         then nullif(nullif({{ value }}::date, date '0001-01-01'), date '1900-01-01') end
{%- endmacro %}

{#- Date and time on the practice's own clock, without a zone; the same two days mean none. -#}
{% macro as_local_time(table, column) -%}
    {%- set value = raw_column(table, column, 'timestamp') | trim -%}
    case when {{ is_finite(value) }} and {{ value }}::date not in (date '0001-01-01', date '1900-01-01')
         then {{ value }}::timestamp end
{%- endmacro %}

{#- A stamp of the server: an instant. -#}
{% macro as_instant(table, column) -%}
    {%- set value = raw_column(table, column, 'timestamptz') | trim -%}
    case when {{ is_finite(value) }} and {{ value }} > timestamptz '1900-01-02 00:00:00+00'
         then {{ value }}::timestamptz end
{%- endmacro %}

{#- A time of day; raw has it as an interval, as MySQL's type can be both. -#}
{% macro as_time_of_day(table, column) -%}
    {{ raw_column(table, column, 'interval') }}::interval::time
{%- endmacro %}

{#- A code whose meaning the program knows; enumeration_name gives its name. -#}
{% macro as_code(table, column) -%} {{ raw_column(table, column, 'text') }}::text {%- endmacro %}

{#-
  The name of a code; a code that the seed does not know is kept as "unknown 17", and counted by
  the test known_codes.
-#}
{% macro code_name(code, alias) -%}
    case when {{ code }} is not null then coalesce({{ alias }}.name, 'unknown ' || {{ code }}) end
{%- endmacro %}

{% macro join_codes(enumeration, code, alias) -%}
    left join {{ ref('enumeration') }} as {{ alias }}
        on {{ alias }}.enumeration = '{{ enumeration }}' and {{ alias }}.code = {{ code }}
{%- endmacro %}

{#- Days between 0–30, 31–60, 61–90 and over 90, as receivables and claims are read. -#}
{% macro age_bucket(days) -%}
    case when {{ days }} <= 30 then '0-30' when {{ days }} <= 60 then '31-60'
         when {{ days }} <= 90 then '61-90' else 'over 90' end
{%- endmacro %}

{#-
  What the practice chose, as text: its own row of raw.preference where there is one, else the
  variable of dbt_project.yml. An empty value counts as none.
-#}
{% macro preference(name) -%}
    coalesce(
        (select min(p.value) from {{ ref('stg_preference') }} as p where p.name = '{{ name }}'),
        '{{ var("preferences")[name] }}'
    )
{%- endmacro %}

{#- Perio, the care of gums (CDT): scaling D4341, D4342, D4346, coarse cleaning D4355, drugs in pockets D4381, care afterwards D4910. -#}
{% macro perio_codes() -%} ('D4341', 'D4342', 'D4346', 'D4355', 'D4381', 'D4910') {%- endmacro %}

{#- Whether a code is hygiene: by its own mark in OpenDental (IsHygiene), or because it is gum care. -#}
{% macro is_hygiene_code(alias) -%}
    (coalesce({{ alias }}.is_hygiene, false) or coalesce({{ alias }}.code in {{ perio_codes() }}, false))
{%- endmacro %}

{#- Months counted through the years, so that the months between two days are a difference. -#}
{% macro month_number(day) -%}
    (date_part('year', {{ day }}) * 12 + date_part('month', {{ day }}))::integer
{%- endmacro %}
