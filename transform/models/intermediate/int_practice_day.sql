-- The day on which the practice last worked: the newest day of entry in the books. What is due and
-- how old a debt is counts from here, by the practice's own dates. So a build is a function of raw
-- alone: no clock of a server and no time zone has a say, and a month end is what the office says.
select greatest(
    (select max(entry_date) from {{ ref('stg_procedurelog') }}),
    (select max(entry_date) from {{ ref('stg_payment') }}),
    (select max(entry_date) from {{ ref('stg_adjustment') }}),
    (select max(entry_date) from {{ ref('stg_claimproc') }}),
    (select max(entered_at)::date from {{ ref('stg_appointment') }})
) as as_of_date
