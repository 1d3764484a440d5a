-- The day from which ages and due dates count: today by the source's clock in the last run, or the day
-- that was given (etl transform --as-of); `etl transform` writes it down before it builds. No entry of
-- the books has a say, so one with a wrong year moves nothing, and no time zone has. The day is past
-- where an earlier one than today was given: then what is dated later is left out.
select as_of_date, today, coalesce(as_of_date < today, false) as is_past
from {{ source('practice_day', '_etl_practice_day') }}
