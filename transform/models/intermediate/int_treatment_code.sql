-- Codes of treatment: CDT D2000 to D9999 without hygiene (the code's own mark, and gum care D4341,
-- D4342, D4346, D4355, D4381, D4910) and without the codes of broken visits. Exams, films and cleanings
-- that are booked ahead need no acceptance.
select c.procedure_code_id, c.code
from {{ ref('stg_procedurecode') }} as c
where c.code ~ '^D[2-9]' and not {{ is_hygiene_code('c') }} and c.code not in ('D9986', 'D9987')
