-- Payment plans and prepayments on a working day, @day, after the desk has closed.

SET timestamp = UNIX_TIMESTAMP(@day + INTERVAL 1050 MINUTE);
SET @payments = (SELECT IFNULL(MAX(PayNum), 0) FROM payment),
    @splits = (SELECT IFNULL(MAX(SplitNum), 0) FROM paysplit),
    @plans = (SELECT IFNULL(MAX(PayPlanNum), 0) FROM payplan),
    @links = (SELECT IFNULL(MAX(PayPlanLinkNum), 0) FROM payplanlink),
    @charges = (SELECT IFNULL(MAX(PayPlanChargeNum), 0) FROM payplancharge);

-- An unpaid piece of today's dear work goes on a new plan.
CREATE TEMPORARY TABLE agreed ENGINE=MyISAM
SELECT @plans + ROW_NUMBER() OVER (ORDER BY p.ProcNum) AS PayPlanNum, p.PatNum, g.Guarantor,
       p.ProcNum, p.ProcFee
  FROM procedurelog p JOIN patient g ON g.PatNum = p.PatNum
 WHERE p.ProcStatus = 2 AND p.ProcDate = @day AND p.ProcFee > 60
   AND NOT EXISTS (SELECT 1 FROM paysplit s WHERE s.ProcNum = p.ProcNum)
 ORDER BY p.ProcNum LIMIT 2;
INSERT INTO payplan
  (PayPlanNum, PatNum, Guarantor, PayPlanDate, APR, Note, PaySchedule, PayAmt, Signature, IsDynamic,
   ChargeFrequency, DatePayPlanStart)
SELECT PayPlanNum, PatNum, Guarantor, @day, 0, '', 2, ROUND(ProcFee / 6, 2), '', 1, 3,
       @day + INTERVAL 3 DAY
  FROM agreed;
INSERT INTO payplanlink
  (PayPlanLinkNum, PayPlanNum, LinkType, FKey, AmountOverride, SecDateTEntry)
SELECT @links + ROW_NUMBER() OVER (ORDER BY PayPlanNum), PayPlanNum, 2, ProcNum, 0,
       @day + INTERVAL 1050 MINUTE
  FROM agreed;

-- The service posts the charges of dynamic plans that fell due, on their day.
CREATE TEMPORARY TABLE posted ENGINE=MyISAM
SELECT p.PayPlanNum, p.PatNum, IF(g.Guarantor = h.Guarantor, p.PatNum, p.Guarantor) AS Payer,
       IFNULL(w.ProvNum, 1) AS ProvNum, IFNULL(w.ClinicNum, 1) AS ClinicNum, l.FKey, l.LinkType,
       p.PayAmt, IFNULL(c.Last + INTERVAL 30 DAY, GREATEST(p.DatePayPlanStart, @day)) AS ChargeDate
  FROM payplan p
  JOIN payplanlink l ON l.PayPlanNum = p.PayPlanNum
  JOIN patient g ON g.PatNum = p.PatNum
  LEFT JOIN patient h ON h.PatNum = p.Guarantor
  LEFT JOIN procedurelog w ON w.ProcNum = l.FKey AND l.LinkType = 2
  LEFT JOIN (SELECT PayPlanNum, MAX(ChargeDate) AS Last, COUNT(*) AS Charges FROM payplancharge
              WHERE ChargeType = 0 GROUP BY PayPlanNum) AS c ON c.PayPlanNum = p.PayPlanNum
 WHERE p.IsDynamic AND NOT p.IsClosed AND IFNULL(c.Charges, 0) < IF(l.LinkType = 1, 2, 6)
   AND (l.LinkType = 1 OR w.ProcStatus = 2 OR p.DynamicPayPlanTPOption = 2)
HAVING ChargeDate <= @day;
INSERT INTO payplancharge
  (PayPlanChargeNum, PayPlanNum, Guarantor, PatNum, ChargeDate, Principal, Interest, Note, ProvNum,
   ClinicNum, SecDateTEntry, SecDateTEdit, FKey, LinkType)
SELECT @charges + ROW_NUMBER() OVER (ORDER BY PayPlanNum), PayPlanNum, Payer, PatNum, ChargeDate,
       PayAmt, 0, '', ProvNum, ClinicNum, @day + INTERVAL 1050 MINUTE, @day + INTERVAL 1050 MINUTE,
       FKey, LinkType
  FROM posted;

-- Three charges in four are paid when they fall due; who owes the charge pays.
CREATE TEMPORARY TABLE settled ENGINE=MyISAM
SELECT ROW_NUMBER() OVER (ORDER BY c.PayPlanChargeNum) AS Place, c.*
  FROM payplancharge c JOIN payplan p ON p.PayPlanNum = c.PayPlanNum
 WHERE c.ChargeType = 0 AND c.ChargeDate BETWEEN @day - INTERVAL 3 DAY AND @day AND p.PlanNum = 0
   AND NOT p.IsClosed AND dice(settles, c.PayPlanChargeNum) % 4
   AND NOT EXISTS (SELECT 1 FROM paysplit s WHERE s.PayPlanChargeNum = c.PayPlanChargeNum);
INSERT INTO payment
  (PayNum, PayType, PayDate, PayAmt, PayNote, IsSplit, PatNum, ClinicNum, DateEntry, Receipt,
   SecUserNumEntry, ExternalId)
SELECT @payments + Place, 1004, @day, ROUND(Principal + Interest, 2), '', Interest > 0, Guarantor,
       ClinicNum, @day, '', 3, '' FROM settled;
INSERT INTO paysplit
  (SplitNum, SplitAmt, PatNum, PayNum, ProvNum, PayPlanNum, DatePay, DateEntry, ProcNum, ClinicNum,
   SecUserNumEntry, PayPlanChargeNum, PayPlanDebitType, SecurityHash)
SELECT @splits + ROW_NUMBER() OVER (ORDER BY s.Place, k.seq), IF(k.seq = 1, Principal, Interest),
       Guarantor, @payments + Place, ProvNum, PayPlanNum, @day, @day,
       IF(k.seq = 1 AND LinkType = 2, FKey, 0), ClinicNum, 3, PayPlanChargeNum, k.seq, ''
  FROM settled s JOIN seq_1_to_2 k WHERE k.seq = 1 OR s.Interest > 0;

-- The oldest plan that still has charges to come is closed: they go, and what they were falls due.
CREATE TEMPORARY TABLE closed ENGINE=MyISAM
SELECT p.PayPlanNum, p.PatNum, MIN(c.ProvNum) AS ProvNum, MIN(c.ClinicNum) AS ClinicNum,
       ROUND(SUM(c.Principal), 2) AS Principal, MAX(c.PayPlanChargeNum) AS Last
  FROM payplan p JOIN payplancharge c ON c.PayPlanNum = p.PayPlanNum
 WHERE NOT p.IsClosed AND NOT p.IsDynamic AND p.PlanNum = 0 AND c.ChargeType = 0
   AND c.ChargeDate > @day
 GROUP BY p.PayPlanNum, p.PatNum ORDER BY p.PayPlanNum LIMIT 1;
DELETE c FROM payplancharge c JOIN closed x ON x.PayPlanNum = c.PayPlanNum
 WHERE c.ChargeType = 0 AND c.ChargeDate > @day AND c.PayPlanChargeNum < x.Last;
UPDATE payplancharge c JOIN closed x ON x.Last = c.PayPlanChargeNum
   SET c.ChargeDate = @day, c.Principal = x.Principal, c.Interest = 0, c.Guarantor = x.PatNum,
       c.Note = 'Close out charge';
UPDATE payplan p JOIN closed x ON x.PayPlanNum = p.PayPlanNum SET p.IsClosed = 1;

-- Prepayments of the hidden type: those for work that is done now go to it, in a payment of 0, or to
-- the ones that show where it was paid at the desk. One patient leaves money for planned work, and
-- another for nothing yet, which shows.
SET @payments = (SELECT IFNULL(MAX(PayNum), 0) FROM payment),
    @splits = (SELECT IFNULL(MAX(SplitNum), 0) FROM paysplit);
CREATE TEMPORARY TABLE allocated ENGINE=MyISAM
SELECT ROW_NUMBER() OVER (ORDER BY p.ProcNum) AS Place, p.ProcNum, p.PatNum, p.ProvNum,
       p.ClinicNum, SUM(s.SplitAmt) AS Amount,
       EXISTS (SELECT 1 FROM paysplit d WHERE d.ProcNum = p.ProcNum AND d.UnearnedType = 0) AS IsPaid
  FROM paysplit s JOIN procedurelog p ON p.ProcNum = s.ProcNum
 WHERE s.UnearnedType = 2902 AND p.ProcStatus = 2
 GROUP BY p.ProcNum, p.PatNum, p.ProvNum, p.ClinicNum HAVING Amount > 0.005;
INSERT INTO payment
  (PayNum, PayType, PayDate, PayAmt, PayNote, IsSplit, PatNum, ClinicNum, DateEntry, Receipt,
   SecUserNumEntry, ExternalId)
SELECT @payments + Place, 0, @day, 0, '', 1, PatNum, ClinicNum, @day, '', 3, '' FROM allocated;
INSERT INTO paysplit
  (SplitNum, SplitAmt, PatNum, PayNum, ProvNum, DatePay, DateEntry, ProcNum, UnearnedType,
   ClinicNum, SecUserNumEntry, SecurityHash)
SELECT @splits + ROW_NUMBER() OVER (ORDER BY a.Place, k.seq), IF(k.seq = 1, 0 - Amount, Amount),
       PatNum, @payments + Place, ProvNum, @day, @day, IF(k.seq = 2 AND IsPaid, 0, ProcNum),
       IF(k.seq = 1, 2902, IF(IsPaid, 2901, 0)), ClinicNum, 3, ''
  FROM allocated a JOIN seq_1_to_2 k;

SET @payments = (SELECT IFNULL(MAX(PayNum), 0) FROM payment),
    @splits = (SELECT IFNULL(MAX(SplitNum), 0) FROM paysplit);
CREATE TEMPORARY TABLE prepaid ENGINE=MyISAM
SELECT 1 AS Place, p.ProcNum, p.PatNum, p.ProvNum, p.ClinicNum, ROUND(p.ProcFee * 0.3, 2) AS Amount,
       2902 AS UnearnedType
  FROM procedurelog p
 WHERE p.ProcStatus = 1 AND p.ProcFee > 50
   AND NOT EXISTS (SELECT 1 FROM paysplit s WHERE s.ProcNum = p.ProcNum)
 ORDER BY dice(prepays, @day, p.ProcNum) LIMIT 1;
INSERT INTO prepaid
SELECT 2, 0, PatNum, 0, ClinicNum, 12.5 + DAY(@day), 2901
  FROM patient WHERE PatStatus = 0 ORDER BY dice(leaves, @day, PatNum) LIMIT 1;
INSERT INTO payment
  (PayNum, PayType, PayDate, PayAmt, PayNote, PatNum, ClinicNum, DateEntry, Receipt,
   SecUserNumEntry, ExternalId)
SELECT @payments + Place, 1003, @day, Amount, '', PatNum, ClinicNum, @day, '', 3, '' FROM prepaid;
INSERT INTO paysplit
  (SplitNum, SplitAmt, PatNum, PayNum, ProvNum, DatePay, DateEntry, ProcNum, UnearnedType,
   ClinicNum, SecUserNumEntry, SecurityHash)
SELECT @splits + Place, Amount, PatNum, @payments + Place, ProvNum, @day, @day, ProcNum,
       UnearnedType, ClinicNum, 3, ''
  FROM prepaid;

-- Now and then an adjustment is entered with a wrong year.
INSERT INTO adjustment
  (AdjNum, AdjDate, AdjAmt, PatNum, AdjType, ProvNum, AdjNote, DateEntry, ClinicNum,
   SecUserNumEntry)
SELECT (SELECT IFNULL(MAX(AdjNum), 0) FROM adjustment) + 1, @day + INTERVAL 2 YEAR, -5, PatNum,
       101, PriProv,
       'Kind of "wrong" year', @day, ClinicNum, 2
  FROM patient WHERE PatStatus = 0 AND DAY(@day) % 10 = 1
 ORDER BY dice(wrongyear, @day, PatNum) LIMIT 1;

-- Edits that move no stamp: interest that is waived, and another amount of what a plan takes on.
UPDATE payplancharge SET Interest = 0, SecDateTEdit = SecDateTEdit
 WHERE Interest > 0 AND ChargeDate < @day ORDER BY PayPlanChargeNum DESC LIMIT 1;
UPDATE payplanlink SET AmountOverride = ROUND(AmountOverride - 0.5, 2)
 WHERE AmountOverride > 1 ORDER BY dice(override, @day, PayPlanLinkNum) LIMIT 1;

DROP TEMPORARY TABLE agreed;
DROP TEMPORARY TABLE posted;
DROP TEMPORARY TABLE settled;
DROP TEMPORARY TABLE closed;
DROP TEMPORARY TABLE allocated;
DROP TEMPORARY TABLE prepaid;
