-- Codes of treatment: CDT D2000 to D9999 without hygiene (the code's own mark, and gum care D4341,
-- D4342, D4346, D4355, D4381, D4910) and without the codes of broken visits. Exams, films and cleanings
-- that are booked ahead need no acceptance.
select procedure_code_id, code
from {{ ref('stg_procedurecode') }}
where code ~ '^D[2-9]'
  and not coalesce(is_hygiene, false)
  and code not in ('D4341', 'D4342', 'D4346', 'D4355', 'D4381', 'D4910', 'D9986', 'D9987')
