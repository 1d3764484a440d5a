{#-
  The columns of the report Production and Income, as sums over rows of int_production_income m.
  Write-offs are negative, as in the report; a total is the sum of its columns.
-#}
{%- macro sum_of_kinds(kinds) -%}
    coalesce(sum(m.amount) filter (where m.kind in ({% for kind in kinds %}'{{ kind }}'{{ ', ' if not loop.last }}{% endfor %})), 0)::numeric(14, 2)
{%- endmacro %}

{% macro production_income_columns(has_schedule=false, totals=true) %}
    {%- set production = ['production', 'adjustment'] + (['scheduled production', 'scheduled discount'] if has_schedule else []) %}
    {{ sum_of_kinds(['production']) }} as production,
    {%- if has_schedule %}
    {{ sum_of_kinds(['scheduled production']) }} as sched,
    {%- endif %}
    {{ sum_of_kinds(['adjustment', 'scheduled discount'] if has_schedule else ['adjustment']) }} as adjustments,
    coalesce(sum(m.amount) filter (where m.is_practice_write_off), 0)::numeric(14, 2) as writeoff,
    {{ sum_of_kinds(['write-off by pay date']) }} as writeoff_by_pay_date,
    {{ sum_of_kinds(['write-off by procedure date']) }} as writeoff_by_procedure_date,
    {{ sum_of_kinds(['write-off estimate']) }} as writeoff_est,
    {{ sum_of_kinds(['write-off adjustment']) }} as writeoff_adj,
    {%- if totals %}
    ({{ sum_of_kinds(production) }} + coalesce(sum(m.amount) filter (where m.is_practice_write_off), 0))::numeric(14, 2) as tot_prod,
    {{ sum_of_kinds(production + ['write-off by pay date']) }} as tot_prod_by_pay_date,
    {{ sum_of_kinds(production + ['write-off by procedure date']) }} as tot_prod_by_procedure_date,
    {{ sum_of_kinds(production + ['write-off estimate', 'write-off adjustment']) }} as tot_prod_by_claim_date,
    {%- endif %}
    {{ sum_of_kinds(['patient income']) }} as pt_income,
    {{ sum_of_kinds(['unearned income']) }} as unearned_pt_income,
    {{ sum_of_kinds(['insurance income', 'other insurance income']) }} as ins_income
    {%- if totals %},
    {{ sum_of_kinds(['patient income', 'unearned income', 'insurance income', 'other insurance income']) }} as tot_income
    {%- endif %}
{%- endmacro %}

{#- A name as reports list it: family name, given name, middle initial. -#}
{% macro report_name(alias) -%}
    trim(concat_ws(' ', concat_ws(', ', {{ alias }}.last_name, {{ alias }}.first_name), {{ alias }}.middle_initial))
{%- endmacro %}
