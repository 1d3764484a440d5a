-- Payment plans by OpenDental's rules for "age credits and debits": a plan's credit takes its
-- principal off the patient's account, and each charge that falls due (principal and interest) is
-- owed by the charge's guarantor: the patient, or whoever of another family signed.
-- ChargeType: 0 debit, 1 credit. LinkType: 1 adjustment, 2 procedure.

-- What joins a plan, and how it is run: every third is dynamic, every fourth is signed by the head
-- of the next family. Who never pays for dear work may have signed a plan, too.
CREATE TEMPORARY TABLE head ENGINE=MyISAM
SELECT PatNum, IFNULL(LEAD(PatNum) OVER (ORDER BY PatNum), 1) AS Neighbour
  FROM person WHERE PatNum = Guarantor;
ALTER TABLE head ADD PRIMARY KEY (PatNum);

SET @plans = (SELECT IFNULL(MAX(PayPlanNum), 0) FROM payplan);
CREATE TEMPORARY TABLE agreed (
  PayPlanNum bigint PRIMARY KEY, PatNum bigint, Guarantor bigint, ProcNum bigint, ProvNum int,
  ClinicNum int, Day date, Owed double, APR double, IsDynamic int, Payer bigint, IsPaying int
) ENGINE=MyISAM;
INSERT INTO agreed
SELECT s.PayPlanNum, s.PatNum, IF(s.PayPlanNum % 4 = 1, h.Neighbour, s.Guarantor), s.ProcNum,
       s.ProvNum, s.ClinicNum, s.Day, s.Owed, IF(s.PayPlanNum % 5, 0, 4.9), s.PayPlanNum % 3 = 0,
       IF(s.PayPlanNum % 4 = 1 AND h.Neighbour <> s.Guarantor, h.Neighbour, s.PatNum), s.IsPaying
  FROM (SELECT PayPlanNum, PatNum, Guarantor, ProcNum, ProvNum, ClinicNum, Day, Owed, 1 AS IsPaying
          FROM due WHERE Habit = 'plan'
        UNION ALL
        SELECT @plans + ROW_NUMBER() OVER (ORDER BY Day, ProcNum), PatNum, Guarantor, ProcNum,
               ProvNum, ClinicNum, Day, Owed, 0
          FROM due WHERE Habit = 'bad' AND ProcNum > 0 AND Owed > 100
           AND Day > @today - INTERVAL 500 DAY AND dice(signed, ProcNum) % 4 = 0) AS s
  JOIN head h ON h.PatNum = s.Guarantor;

INSERT INTO payplan
  (PayPlanNum, PatNum, Guarantor, PayPlanDate, APR, Note, CompletedAmt, PaySchedule,
   NumberOfPayments, PayAmt, DownPayment, IsClosed, Signature, ChargeFrequency, DatePayPlanStart)
SELECT PayPlanNum, PatNum, Guarantor, Day, APR, NULL, Owed, 2, 6, ROUND(Owed / 6, 2), 0, 0, '', 3,
       Day + INTERVAL 10 DAY
  FROM agreed WHERE NOT IsPaying;
UPDATE payplan p JOIN agreed s ON s.PayPlanNum = p.PayPlanNum
   SET p.Guarantor = s.Guarantor, p.IsDynamic = s.IsDynamic,
       p.CompletedAmt = IF(s.IsDynamic, 0, s.Owed),
       p.NumberOfPayments = IF(s.IsDynamic, 0, 6);

-- Six charges a month apart; a dynamic plan has only those that fell due.
CREATE TEMPORARY TABLE instalment ENGINE=MyISAM
SELECT s.*, k.seq AS Place, s.Day + INTERVAL 10 + 30 * k.seq DAY AS ChargeDate,
       IF(k.seq = 5, ROUND(s.Owed - 5 * ROUND(s.Owed / 6, 2), 2), ROUND(s.Owed / 6, 2))
         AS Principal,
       ROUND((s.Owed - k.seq * ROUND(s.Owed / 6, 2)) * s.APR / 1200, 2) AS Interest
  FROM agreed s JOIN seq_0_to_5 k;
DELETE FROM instalment WHERE IsDynamic AND ChargeDate > @today;

INSERT INTO payplancharge
  (PayPlanChargeNum, PayPlanNum, Guarantor, PatNum, ChargeDate, Principal, Interest, Note, ProvNum,
   ClinicNum, ChargeType, ProcNum, SecDateTEntry, SecDateTEdit, FKey, LinkType)
SELECT ROW_NUMBER() OVER (ORDER BY PayPlanNum, ChargeType DESC, ChargeDate), PayPlanNum, Payer,
       PatNum, ChargeDate, Principal, Interest, Note, ProvNum, ClinicNum, ChargeType, ProcNum,
       EnteredAt, EnteredAt, FKey, LinkType
  FROM (SELECT PayPlanNum, IsDynamic, Payer, PatNum, ChargeDate, Principal, Interest,
               IF(Place = 5, 'Last "charge"', '') AS Note, ProvNum, ClinicNum, 0 AS ChargeType,
               0 AS ProcNum, IF(IsDynamic, ChargeDate, Day) + INTERVAL 17 HOUR AS EnteredAt,
               IF(IsDynamic, ProcNum, 0) AS FKey, IF(IsDynamic, 2, 0) AS LinkType
          FROM instalment
        UNION ALL
        SELECT PayPlanNum, 0, PatNum, PatNum, Day, Owed, 0, NULL, ProvNum, ClinicNum, 1, ProcNum,
               Day + INTERVAL 17 HOUR, 0, 0
          FROM agreed WHERE NOT IsDynamic) AS c;

INSERT INTO payplanlink
  (PayPlanLinkNum, PayPlanNum, LinkType, FKey, AmountOverride, SecDateTEntry)
SELECT ROW_NUMBER() OVER (ORDER BY PayPlanNum), PayPlanNum, 2, ProcNum,
       IF(PayPlanNum % 2, 0, Owed), Day + INTERVAL 17 HOUR
  FROM agreed WHERE IsDynamic;

-- Payments go to the charge that fell due, on the account of who owes it; half of those who owe
-- interest pay it with the principal. PayPlanDebitType: 1 principal, 2 interest.
CREATE TEMPORARY TABLE charged ENGINE=MyISAM
SELECT PayPlanChargeNum, PayPlanNum, Guarantor, ChargeDate, Interest
  FROM payplancharge WHERE ChargeType = 0 AND ChargeDate <= @today;
ALTER TABLE charged ADD KEY (PayPlanNum);
UPDATE paysplit s
  JOIN charged c ON c.PayPlanNum = s.PayPlanNum
   AND s.DatePay BETWEEN c.ChargeDate AND c.ChargeDate + INTERVAL 1 DAY
   SET s.PatNum = c.Guarantor, s.PayPlanChargeNum = c.PayPlanChargeNum, s.PayPlanDebitType = 1,
       s.SecDateTEdit = s.SecDateTEdit
 WHERE s.PayPlanNum > 0;
CREATE TEMPORARY TABLE interest ENGINE=MyISAM
SELECT s.PayNum, s.PatNum, s.ProvNum, s.ClinicNum, s.DatePay, s.SecUserNumEntry, s.SecDateTEdit,
       c.PayPlanNum, c.PayPlanChargeNum, c.Interest
  FROM charged c JOIN paysplit s ON s.PayPlanChargeNum = c.PayPlanChargeNum
 WHERE c.Interest > 0 AND c.PayPlanNum % 2;
INSERT INTO paysplit
  (SplitNum, SplitAmt, PatNum, PayNum, ProvNum, PayPlanNum, DatePay, DateEntry, ClinicNum,
   SecUserNumEntry, SecDateTEdit, PayPlanChargeNum, PayPlanDebitType, SecurityHash)
SELECT (SELECT IFNULL(MAX(SplitNum), 0) FROM paysplit)
         + ROW_NUMBER() OVER (ORDER BY PayPlanChargeNum),
       Interest, PatNum, PayNum, ProvNum, PayPlanNum, DatePay, DatePay, ClinicNum,
       SecUserNumEntry, SecDateTEdit, PayPlanChargeNum, 2, ''
  FROM interest;
UPDATE payment p
  JOIN (SELECT PayNum, SUM(Interest) AS Interest FROM interest GROUP BY PayNum) AS i
   ON i.PayNum = p.PayNum
   SET p.PayAmt = ROUND(p.PayAmt + i.Interest, 2), p.IsSplit = 1, p.SecDateTEdit = p.SecDateTEdit;
DROP TEMPORARY TABLE interest;
DROP TEMPORARY TABLE charged;
DROP TEMPORARY TABLE instalment;

-- Dynamic plans on work that is not done yet, and on fees for missed visits, which are paid off in two
-- parts. DynamicPayPlanTPOption: 1 waits until the work is done, 2 treats it as if it were.
SET @plans = (SELECT IFNULL(MAX(PayPlanNum), 0) FROM payplan);
CREATE TEMPORARY TABLE linked ENGINE=MyISAM
SELECT @plans + ROW_NUMBER() OVER (ORDER BY a.LinkType DESC, a.FKey) AS PayPlanNum, a.*, g.Guarantor,
       ROUND(a.Amount / a.Parts, 2) AS Part
  FROM (SELECT 2 AS LinkType, p.ProcNum AS FKey, p.PatNum, p.ProvNum, p.ClinicNum, p.DateTP AS Day,
               p.ProcFee AS Amount, 6 AS Parts, 1 + dice(tpoption, p.ProcNum) % 2 AS TPOption,
               IF(dice(tpoption, p.ProcNum) % 2, 4, 0) AS Posted
          FROM procedurelog p
         WHERE p.ProcStatus = 1 AND p.ProcFee > 300 AND p.DateTP > @opened AND p.DateTP < @today
           AND dice(ahead, p.ProcNum) % 12 = 0
        UNION ALL
        SELECT 1, a.AdjNum, a.PatNum, a.ProvNum, a.ClinicNum, a.AdjDate, a.AdjAmt, 2, 0, 2
          FROM adjustment a
         WHERE a.AdjType = 105 AND NOT EXISTS (SELECT 1 FROM paysplit s WHERE s.AdjNum = a.AdjNum)
           AND dice(missed, a.AdjNum) % 3 = 0) AS a
  JOIN person g ON g.PatNum = a.PatNum;
INSERT INTO payplan
  (PayPlanNum, PatNum, Guarantor, PayPlanDate, Note, PaySchedule, PayAmt, Signature, IsDynamic,
   ChargeFrequency, DatePayPlanStart, DynamicPayPlanTPOption)
SELECT PayPlanNum, PatNum, Guarantor, Day, '', 2, Part, '', 1, 3, Day + INTERVAL 30 DAY, TPOption
  FROM linked;
INSERT INTO payplanlink
  (PayPlanLinkNum, PayPlanNum, LinkType, FKey, AmountOverride, SecDateTEntry)
SELECT (SELECT IFNULL(MAX(PayPlanLinkNum), 0) FROM payplanlink)
         + ROW_NUMBER() OVER (ORDER BY PayPlanNum),
       PayPlanNum, LinkType, FKey, 0, Day + INTERVAL 12 HOUR
  FROM linked;
INSERT INTO payplancharge
  (PayPlanChargeNum, PayPlanNum, Guarantor, PatNum, ChargeDate, Principal, Interest, Note, ProvNum,
   ClinicNum, SecDateTEntry, SecDateTEdit, FKey, LinkType)
SELECT (SELECT IFNULL(MAX(PayPlanChargeNum), 0) FROM payplancharge)
         + ROW_NUMBER() OVER (ORDER BY l.PayPlanNum, k.seq),
       l.PayPlanNum, l.PatNum, l.PatNum, l.Day + INTERVAL 30 * k.seq DAY, l.Part, 0, '', l.ProvNum,
       l.ClinicNum, l.Day + INTERVAL 30 * k.seq DAY, l.Day + INTERVAL 30 * k.seq DAY, l.FKey,
       l.LinkType
  FROM linked l JOIN seq_1_to_4 k
 WHERE k.seq <= l.Posted AND l.Day + INTERVAL 30 * k.seq DAY <= @today;
DROP TEMPORARY TABLE linked;

-- A carrier that pays in parts: a plan of insurance, which follows what the carrier pays. Its
-- charges are nobody's debt.
SET @plans = (SELECT IFNULL(MAX(PayPlanNum), 0) FROM payplan);
CREATE TEMPORARY TABLE carrierplan ENGINE=MyISAM
SELECT @plans + ROW_NUMBER() OVER (ORDER BY c.ClaimProcNum) AS PayPlanNum, c.ClaimProcNum, c.PatNum,
       c.ProcNum, c.PlanNum, c.InsSubNum, c.ProvNum, c.ClinicNum, c.ProcDate AS Day, c.InsPayAmt
  FROM claimproc c
 WHERE c.Status = 1 AND c.InsPayAmt > 150 AND dice(carrierplan, c.ClaimProcNum) % 60 = 0;
ALTER TABLE carrierplan ADD PRIMARY KEY (PayPlanNum);
INSERT INTO payplan
  (PayPlanNum, PatNum, Guarantor, PayPlanDate, Note, PlanNum, CompletedAmt, InsSubNum, PaySchedule,
   NumberOfPayments, PayAmt, Signature, ChargeFrequency, DatePayPlanStart)
SELECT PayPlanNum, PatNum, 0, Day, 'Paid in parts', PlanNum, InsPayAmt, InsSubNum, 2, 2,
       ROUND(InsPayAmt / 2, 2), '', 3, Day + INTERVAL 30 DAY
  FROM carrierplan;
INSERT INTO payplancharge
  (PayPlanChargeNum, PayPlanNum, Guarantor, PatNum, ChargeDate, Principal, Interest, Note, ProvNum,
   ClinicNum, ChargeType, ProcNum, SecDateTEntry, SecDateTEdit)
SELECT (SELECT IFNULL(MAX(PayPlanChargeNum), 0) FROM payplancharge)
         + ROW_NUMBER() OVER (ORDER BY c.PayPlanNum, k.seq),
       c.PayPlanNum, c.PatNum, c.PatNum, c.Day + INTERVAL 30 * k.seq DAY,
       IF(k.seq = 0, c.InsPayAmt,
          IF(k.seq = 1, ROUND(c.InsPayAmt / 2, 2),
             ROUND(c.InsPayAmt - ROUND(c.InsPayAmt / 2, 2), 2))),
       0, '', c.ProvNum, c.ClinicNum, k.seq = 0, IF(k.seq = 0, c.ProcNum, 0),
       c.Day + INTERVAL 9 HOUR, c.Day + INTERVAL 9 HOUR
  FROM carrierplan c JOIN seq_0_to_2 k;
UPDATE claimproc c JOIN carrierplan p ON p.ClaimProcNum = c.ClaimProcNum
   SET c.PayPlanNum = p.PayPlanNum, c.SecDateTEdit = c.SecDateTEdit;
DROP TEMPORARY TABLE carrierplan;

DROP TEMPORARY TABLE head;
DROP TEMPORARY TABLE agreed;
