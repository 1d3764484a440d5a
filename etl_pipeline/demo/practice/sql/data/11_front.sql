-- Recalls that are off for a while: until a day that is to come or has passed, or until the family
-- owes no more than an amount; some for good. Edited long ago, so no stamp moves.
UPDATE recall
   SET DisableUntilDate = CASE dice(off, RecallNum) % 24
         WHEN 0 THEN @today + INTERVAL RecallNum % 100 DAY WHEN 1 THEN @today - INTERVAL 9 DAY
         ELSE DisableUntilDate END,
       DisableUntilBalance = CASE dice(off, RecallNum) % 24
         WHEN 2 THEN 50.5 WHEN 3 THEN 20 WHEN 4 THEN 0.1 + 0.2 ELSE DisableUntilBalance END,
       IsDisabled = IF(dice(off, RecallNum) % 24 = 5, 1, IsDisabled), DateTStamp = DateTStamp;

-- Patients who go to the other office now; what was done stays where it was.
UPDATE patient SET ClinicNum = 3 - ClinicNum, DateTStamp = DateTStamp
 WHERE ClinicNum IN (1, 2) AND dice(othersite, PatNum) % 100 < 7;

-- A second source of some patients: a colleague, or a dentist who sent them back.
INSERT INTO refattach
  (RefAttachNum, ReferralNum, PatNum, ItemOrder, RefDate, RefType, RefToStatus, Note,
   IsTransitionOfCare, ProcNum, DateProcComplete, ProvNum, DateTStamp)
SELECT (SELECT MAX(RefAttachNum) FROM refattach) + ROW_NUMBER() OVER (ORDER BY PatNum), ReferralNum,
       PatNum, 2, RefDate, 1, 0, NULL, 0, 0, '0001-01-01', 0, RefDate + INTERVAL 12 HOUR
  FROM (SELECT p.PatNum, 1 + dice(second, p.PatNum) % 25 AS ReferralNum, p.FirstHere AS RefDate
          FROM person p WHERE dice(hassecond, p.PatNum) % 100 < 12) AS s;
