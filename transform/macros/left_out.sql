{#-
  Rows of raw that the models cannot take are left out of staging: an amount that is no money, such as
  1e308 or NaN, or a key 0 where 0 stands for none. Here stands which columns are held to it, by table;
  `int_row_left_out` names the rows. as_money gives NULL for such an amount besides: PostgreSQL may ask
  for the value before it leaves the row out.
-#}
{% macro bounded_columns() -%}
    {{ return({
        'adjustment': {'key': 'AdjNum', 'money': ['AdjAmt']},
        'carrier': {'key': 'CarrierNum', 'none_is_0': true},
        'claim': {'key': 'ClaimNum', 'money': ['ClaimFee', 'InsPayEst', 'InsPayAmt', 'WriteOff']},
        'claimpayment': {'key': 'ClaimPaymentNum', 'money': ['CheckAmt']},
        'claimproc': {'key': 'ClaimProcNum',
            'money': ['FeeBilled', 'InsPayEst', 'InsPayAmt', 'WriteOff', 'DedApplied', 'WriteOffEst',
                'InsEstTotal', 'InsEstTotalOverride', 'WriteOffEstOverride']},
        'claimsnapshot': {'key': 'ClaimSnapshotNum', 'money': ['Writeoff']},
        'clinic': {'key': 'ClinicNum', 'none_is_0': true},
        'fee': {'key': 'FeeNum', 'money': ['Amount']},
        'feesched': {'key': 'FeeSchedNum', 'none_is_0': true},
        'insplan': {'key': 'PlanNum', 'none_is_0': true},
        'operatory': {'key': 'OperatoryNum', 'none_is_0': true},
        'patient': {'key': 'PatNum', 'none_is_0': true, 'money': ['BalTotal', 'InsEst']},
        'payment': {'key': 'PayNum', 'money': ['PayAmt']},
        'payplan': {'key': 'PayPlanNum', 'money': ['CompletedAmt']},
        'payplancharge': {'key': 'PayPlanChargeNum', 'money': ['Principal', 'Interest']},
        'payplanlink': {'key': 'PayPlanLinkNum', 'money': ['AmountOverride']},
        'paysplit': {'key': 'SplitNum', 'money': ['SplitAmt']},
        'procedurecode': {'key': 'CodeNum', 'none_is_0': true},
        'procedurelog': {'key': 'ProcNum', 'money': ['ProcFee', 'Discount', 'DiscountPlanAmt'],
            'quantity': {'ProcFee': ['UnitQty', 'BaseUnits']}},
        'proctp': {'key': 'ProcTPNum', 'money': ['FeeAmt', 'PriInsAmt', 'PatAmt']},
        'provider': {'key': 'ProvNum', 'none_is_0': true, 'money': ['HourlyProdGoalAmt']},
        'recall': {'key': 'RecallNum', 'money': ['DisableUntilBalance']},
        'referral': {'key': 'ReferralNum', 'none_is_0': true},
    }) }}
{%- endmacro %}

{#- No entry of a practice is a hundred million; a hundred such would overflow the sums of them. -#}
{% macro is_money(value) -%} {{ value }} > -100000000 and {{ value }} < 100000000 {%- endmacro %}

{#- Two of them may be added as integers. -#}
{% macro is_small_number(value) -%} {{ value }} > -1000000000 and {{ value }} < 1000000000 {%- endmacro %}

{% macro is_finite(value) -%} {{ value }} > '-infinity' and {{ value }} < 'infinity' {%- endmacro %}

{#- The conditions that a row of a table has to meet, as pairs of a column and a condition. -#}
{% macro bounds_of(table) -%}
    {%- set columns = bounded_columns().get(table, {}) %}
    {%- set missing = var('missing_columns').get(table, []) %}
    {%- set bounds = [] %}
    {%- if columns.none_is_0 %}
        {%- do bounds.append((columns.key, 'r."' ~ columns.key ~ '" <> 0')) %}
    {%- endif %}
    {%- for column in columns.get('money', []) if column not in missing %}
        {%- set condition = is_money('r."' ~ column ~ '"') | trim %}
        {%- set small, sum = [], [] %}
        {%- for part in columns.get('quantity', {}).get(column, []) %}
            {%- set value = raw_column(table, part, 'integer') | trim %}
            {%- do small.append(value ~ ' > -50 and ' ~ value ~ ' < 50') %}
            {%- do sum.append('coalesce(' ~ value ~ '::float8, 0)') %}
        {%- endfor %}
        {%- if sum %}
            {#- Most quantities are small, and their products then; to multiply costs more. -#}
            {%- set charge = 'r."' ~ column ~ '" * (' ~ sum | join(' + ') ~ ')' %}
            {%- set condition = condition ~ ' and (' ~ small | join(' and ') ~ ' or ' ~ is_money(charge) | trim ~ ')' %}
        {%- endif %}
        {%- do bounds.append((column, condition)) %}
    {%- endfor %}
    {{ return(bounds) }}
{%- endmacro %}

{#- The condition under which a row of a table is taken; NULL is taken. None if every row is. -#}
{% macro is_taken(table) -%}
    {%- set bounds = bounds_of(table) | map(attribute=1) | list %}
    {{ return('(' ~ bounds | join(' and ') ~ ') is not false' if bounds else none) }}
{%- endmacro %}

{#- Holds an amount to the list above, so that none is read that is not held to it. -#}
{% macro listed_money(table, column) -%}
    {%- if column not in bounded_columns().get(table, {}).get('money', []) -%}
        {{ exceptions.raise_compiler_error(table ~ '.' ~ column ~ ' is no money in macros/left_out.sql') }}
    {%- endif -%}
    {{ return(raw_column(table, column, 'numeric') | trim) }}
{%- endmacro %}
