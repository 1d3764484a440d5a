-- Production by what makes it. Net production is gross production plus adjustments (discounts are
-- negative) minus what was written off by contract, each on its own day.
select
    l.entry_date as production_date,
    coalesce(l.provider_id, 0) as provider_id,
    coalesce(l.clinic_id, 0) as clinic_id,
    l.patient_id,
    case when l.entry_kind = 'procedure' then l.source_id end as procedure_id,
    (case when l.entry_kind = 'procedure' then l.amount else 0 end)::numeric(12, 2) as gross_production,
    (case when l.entry_kind = 'adjustment' then l.amount else 0 end)::numeric(12, 2) as adjustments,
    (case when l.entry_kind = 'write-off' then -l.amount else 0 end)::numeric(12, 2) as write_offs,
    l.amount as net_production
from {{ ref('int_ledger') }} as l
where l.entry_kind in ('procedure', 'adjustment', 'write-off')
