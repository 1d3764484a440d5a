-- What carriers answered to a claim. A line is denied when it was received, was billed, and nothing was
-- paid of it although its price less write-off and deductible is more than 0: what goes to the
-- deductible is the patient's, and no denial. Where the office received the claim "as total"
-- (OpenDental's manual, claimreceive), its money is on a line without a procedure, and the others say
-- nothing. Secondary claims often pay nothing because the primary one paid, so no line of theirs is
-- denied. A claim is denied when nothing was paid of it at first and a line is denied; a supplement
-- that is paid later takes nothing back.
with claim as (
    select * from {{ ref('int_claim') }} where status_code = 'R' and not is_preauthorization
),

line as (
    select
        l.claim_id, l.procedure_id, l.status_code, l.fee_billed, l.insurance_paid, l.write_off,
        l.deductible, k.check_date,
        c.claim_type_code not in ('S', 'Cap') as may_be_denied,
        bool_or(l.status_code = '1' and l.procedure_id is null and l.insurance_paid > 0)
            over (partition by l.claim_id) as is_as_total,
        sum(l.insurance_paid) filter (where l.status_code = '4')
            over (partition by l.claim_id, l.procedure_id) as supplement
    from {{ ref('stg_claimproc') }} as l
    join claim as c on c.claim_id = l.claim_id
    left join {{ ref('stg_claimpayment') }} as k on k.claim_payment_id = l.claim_payment_id
    where l.status_code in ('1', '4', '5')
),

judged as (
    select
        l.*,
        l.may_be_denied and not l.is_as_total and l.status_code = '1' and l.procedure_id is not null
            and l.fee_billed > 0 and l.insurance_paid = 0
            and l.fee_billed - l.write_off - coalesce(l.deductible, 0) > 0 as is_denied
    from line as l
)

select
    claim_id,
    sum(insurance_paid)::numeric(12, 2) as paid,
    sum(write_off)::numeric(12, 2) as write_off,
    count(*) filter (where is_denied) as denied_lines,
    coalesce(sum(fee_billed) filter (where is_denied), 0)::numeric(12, 2) as denied_fee,
    coalesce(sum(greatest(supplement, 0)) filter (where is_denied), 0)::numeric(12, 2) as denied_paid_later,
    bool_or(is_denied) and coalesce(sum(insurance_paid) filter (where status_code <> '4'), 0) = 0
        as is_denied,
    min(check_date) filter (where insurance_paid > 0) as paid_date
from judged
group by claim_id
