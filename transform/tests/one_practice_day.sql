-- Every age counts from one day; without it the books are empty and nothing would mean anything.
select count(*) as days, max(as_of_date) as as_of_date
from {{ ref('int_practice_day') }}
having count(*) <> 1 or max(as_of_date) is null
