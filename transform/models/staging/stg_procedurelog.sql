with decoded as (
    select
        {{ as_key('procedurelog', 'ProcNum') }} as procedure_id,
        {{ as_reference('procedurelog', 'PatNum') }} as patient_id,
        {{ as_reference('procedurelog', 'AptNum') }} as appointment_id,
        {{ as_reference('procedurelog', 'PlannedAptNum') }} as planned_appointment_id,
        {{ as_date('procedurelog', 'ProcDate') }} as procedure_date,
        {{ as_money('procedurelog', 'ProcFee') }} as fee,
        {{ as_code('procedurelog', 'ProcStatus') }} as status_code,
        {{ as_reference('procedurelog', 'ProvNum') }} as provider_id,
        {{ as_reference('procedurelog', 'ClinicNum') }} as clinic_id,
        {{ as_reference('procedurelog', 'CodeNum') }} as procedure_code_id,
        {{ as_integer('procedurelog', 'UnitQty') }} as unit_quantity,
        {{ as_integer('procedurelog', 'BaseUnits') }} as base_units,
        {{ as_date('procedurelog', 'DateTP') }} as planned_date,
        {{ as_date('procedurelog', 'DateEntryC') }} as entry_date,
        {{ as_date('procedurelog', 'DateComplete') }} as completed_date,
        {{ as_text('procedurelog', 'ToothNum') }} as tooth,
        {{ as_text('procedurelog', 'Surf') }} as surface,
        {{ as_money('procedurelog', 'Discount') }} as discount,
        {{ as_money('procedurelog', 'DiscountPlanAmt') }} as plan_discount,
        r._etl_loaded_at
    from {{ raw_rows('procedurelog') }}
)

select
    d.procedure_id,
    d.patient_id,
    d.appointment_id,
    d.planned_appointment_id,
    d.procedure_date,
    d.fee,
    d.status_code,
    {{ code_name('d.status_code', 'status_name') }} as status,
    d.provider_id,
    d.clinic_id,
    d.procedure_code_id,
    d.unit_quantity,
    d.base_units,
    d.planned_date,
    d.entry_date,
    d.completed_date,
    d.tooth,
    d.surface,
    d.discount,
    d.plan_discount,
    d._etl_loaded_at
from decoded as d
{{ join_codes('procedure_status', 'd.status_code', 'status_name') }}
