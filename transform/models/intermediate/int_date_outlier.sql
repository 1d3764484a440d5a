-- Dates that cannot be right: entered later than tomorrow, or counting before 1990 or more than a year
-- from today. They are kept as they are; the test dates_out_of_range counts and names them.
{%- set entered = [
    ('procedurelog', 'ProcNum', 'DateEntryC', 'stg_procedurelog', 'procedure_id', 'entry_date'),
    ('payment', 'PayNum', 'DateEntry', 'stg_payment', 'payment_id', 'entry_date'),
    ('adjustment', 'AdjNum', 'DateEntry', 'stg_adjustment', 'adjustment_id', 'entry_date'),
    ('claimproc', 'ClaimProcNum', 'DateEntry', 'stg_claimproc', 'claim_procedure_id', 'entry_date'),
    ('appointment', 'AptNum', 'SecDateTEntry', 'stg_appointment', 'appointment_id', 'entered_at::date'),
] %}
{%- set counting = [
    ('procedurelog', 'ProcNum', 'ProcDate', 'stg_procedurelog', 'procedure_id', 'procedure_date'),
    ('paysplit', 'SplitNum', 'DatePay', 'stg_paysplit', 'split_id', 'payment_date'),
    ('adjustment', 'AdjNum', 'AdjDate', 'stg_adjustment', 'adjustment_id', 'adjustment_date'),
    ('claimproc', 'ClaimProcNum', 'DateCP', 'stg_claimproc', 'claim_procedure_id', 'payment_date'),
    ('payplancharge', 'PayPlanChargeNum', 'ChargeDate', 'stg_payplancharge', 'payment_plan_charge_id', 'charge_date'),
] %}
with practice_day as not materialized (
    select * from {{ ref('int_practice_day') }}
)
{%- for table, key, column, model, id, day in entered %}
select '{{ table }}' as table_name, '{{ key }}' as key_column, {{ id }} as key_value,
    '{{ column }}' as date_column, {{ day }} as found_date
from {{ ref(model) }} cross join practice_day as d
where {{ day }} > d.today + 1
union all
{%- endfor %}
{%- for table, key, column, model, id, day in counting %}
select '{{ table }}', '{{ key }}', {{ id }}, '{{ column }}', {{ day }}
from {{ ref(model) }} cross join practice_day as d
where {{ day }} < date '1990-01-01'
   or {{ day }} > d.today + {{ '3660' if table == 'payplancharge' else '366' }}
{{ 'union all' if not loop.last }}
{%- endfor %}
