-- Prepayments for work that is planned, of a type that the office hides (its definition has a
-- value): they are nobody's income and lower no debt until they are allocated.

-- What was left for planned work, and is still waiting for it.
CREATE TEMPORARY TABLE ahead ENGINE=MyISAM
SELECT p.ProcNum, p.PatNum, g.Guarantor, p.ProvNum, p.ClinicNum, p.DateTP + INTERVAL 1 DAY AS Day,
       ROUND(p.ProcFee * 0.3, 2) AS Amount, 0 AS IsDone, '0001-01-01' AS DoneOn
  FROM procedurelog p JOIN person g ON g.PatNum = p.PatNum
 WHERE p.ProcStatus = 1 AND p.ProcFee > 200 AND p.DateTP > @opened AND p.DateTP < @today
   AND dice(prepaid, p.ProcNum) % 12 = 0;
-- What was left before the work was done, and then went to it, in a payment of 0.
INSERT INTO ahead
SELECT ProcNum, PatNum, Guarantor, ProvNum, ClinicNum, Day - INTERVAL 20 DAY, ROUND(Owed * 0.5, 2),
       1, Day
  FROM due
 WHERE Habit = 'bad' AND ProcNum > 0 AND Owed > 50 AND Day > @today - INTERVAL 500 DAY
   AND Day > @opened + INTERVAL 30 DAY AND dice(signed, ProcNum) % 4 = 1;

SET @payments = (SELECT IFNULL(MAX(PayNum), 0) FROM payment),
    @splits = (SELECT IFNULL(MAX(SplitNum), 0) FROM paysplit);
CREATE TEMPORARY TABLE moved ENGINE=MyISAM
SELECT a.*, k.seq, IF(k.seq = 1, a.Day, a.DoneOn) AS PayDay,
       DENSE_RANK() OVER (ORDER BY a.ProcNum, k.seq > 1) AS Place,
       ROW_NUMBER() OVER (ORDER BY a.ProcNum, k.seq) AS SplitPlace
  FROM ahead a JOIN seq_1_to_3 k WHERE k.seq = 1 OR a.IsDone;
INSERT INTO paysplit
  (SplitNum, SplitAmt, PatNum, PayNum, ProvNum, DatePay, DateEntry, ProcNum, UnearnedType,
   ClinicNum, SecUserNumEntry, SecDateTEdit, SecurityHash)
SELECT @splits + SplitPlace, IF(seq = 2, 0 - Amount, Amount), PatNum, @payments + Place, ProvNum,
       PayDay, PayDay, ProcNum, IF(seq = 3, 0, 2902), ClinicNum, 3, PayDay + INTERVAL 12 HOUR, ''
  FROM moved;
INSERT INTO payment
  (PayNum, PayType, PayDate, PayAmt, PayNote, IsSplit, PatNum, ClinicNum, DateEntry, Receipt,
   SecUserNumEntry, SecDateTEdit, ExternalId)
SELECT @payments + Place, IF(seq = 1, 1003, 0), PayDay, IF(seq = 1, Amount, 0), '', seq > 1,
       Guarantor, ClinicNum, PayDay, '', 3, PayDay + INTERVAL 12 HOUR, ''
  FROM moved WHERE seq < 3;
DROP TEMPORARY TABLE moved;
DROP TEMPORARY TABLE ahead;
DROP TEMPORARY TABLE due;
