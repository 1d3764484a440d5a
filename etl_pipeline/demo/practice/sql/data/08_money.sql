-- What patients owe and pay. due holds what is left of each charge for the patient; part holds
-- the pieces in which it is paid, and pieces of one day and family make one payment.

CREATE TEMPORARY TABLE due (
  ProcNum bigint, AdjNum bigint DEFAULT 0, PatNum bigint, Guarantor bigint, ProvNum int,
  ClinicNum int, Day date,
  AptNum bigint, Age int, Owed double, Discount double DEFAULT 0, Refund double DEFAULT 0,
  RefundOn date,
  Habit varchar(10) CHARACTER SET latin1, PayPlanNum bigint DEFAULT 0, KEY (ProcNum)
) ENGINE=MyISAM;

-- The carrier's share counts as soon as it is expected, a denial when it is known. What comes
-- after an appeal goes back to the patient.
INSERT INTO due
  (ProcNum, PatNum, Guarantor, ProvNum, ClinicNum, Day, AptNum, Age, Owed, Refund, RefundOn)
SELECT p.ProcNum, p.PatNum, g.Guarantor, p.ProvNum, p.ClinicNum, p.ProcDate, p.AptNum, g.Age,
       ROUND(p.ProcFee * (p.UnitQty + p.BaseUnits) - IFNULL(l.Fee - l.Allowed, 0)
             - IF(IFNULL(l.IsReceived AND l.IsDenied, 0), 0, IFNULL(l.Estimate, 0)), 2),
       IFNULL(l.Supplement, 0),
       IF(IFNULL(l.Supplement, 0) > 0, l.ReceivedOn + INTERVAL 51 DAY, '0001-01-01')
  FROM procedurelog p
  JOIN person g ON g.PatNum = p.PatNum
  LEFT JOIN line l ON l.ProcNum = p.ProcNum
 WHERE p.ProcStatus = 2 AND p.ProcFee > 0;
DELETE FROM due WHERE Owed <= 0;

-- Discounts on procedures (AdjType 101 and 102), smaller than what the patient owes.
UPDATE due SET Discount = CASE
    WHEN dice(courtesy, ProcNum) % 100 < 4 THEN ROUND(Owed * 0.15, 2)
    WHEN Age >= 65 AND dice(senior, PatNum) % 100 < 20 THEN ROUND(Owed * 0.05, 2) ELSE 0 END;

INSERT INTO adjustment
  (AdjNum, AdjDate, AdjAmt, PatNum, AdjType, ProvNum, AdjNote, ProcDate, ProcNum, DateEntry,
   ClinicNum, SecUserNumEntry, SecDateTEdit)
SELECT ROW_NUMBER() OVER (ORDER BY Day, ProcNum), Day, 0 - Discount, PatNum,
       IF(dice(courtesy, ProcNum) % 100 < 4, 101, 102), ProvNum,
       ELT(1 + dice(adjnote, ProcNum) % 5, NULL, '', 'Per "Dr"', 'kind of\tfriend',
           'OK\r\nby phone'),
       Day, ProcNum, Day, ClinicNum, 1 + ProcNum % 9, Day + INTERVAL 17 * 60 + ProcNum % 50 MINUTE
  FROM due WHERE Discount > 0;

-- Missed visits (AdjType 105) and finance charges (104) are owed without a procedure.
INSERT INTO adjustment
  (AdjNum, AdjDate, AdjAmt, PatNum, AdjType, ProvNum, AdjNote, ProcDate, ProcNum, DateEntry,
   ClinicNum, SecUserNumEntry, SecDateTEdit)
SELECT (SELECT IFNULL(MAX(AdjNum), 0) FROM adjustment) + ROW_NUMBER() OVER (ORDER BY v.AptNum),
       v.Day,
       IF(v.AptNum % 4, 35, 0.1 + 0.2), v.PatNum, IF(v.AptNum % 4, 105, 104), v.ProvNum,
       IF(v.AptNum % 4, 'Did not come', NULL),
       v.Day, 0, v.Day, v.ClinicNum, 2, v.Day + INTERVAL 17 HOUR
  FROM visit v WHERE v.AptStatus = 5 AND dice(missfee, v.AptNum) % 100 < 20;

INSERT INTO due (ProcNum, AdjNum, PatNum, Guarantor, ProvNum, ClinicNum, Day, AptNum, Age, Owed)
SELECT 0, a.AdjNum, a.PatNum, g.Guarantor, a.ProvNum, a.ClinicNum, a.AdjDate, 0, g.Age, a.AdjAmt
  FROM adjustment a JOIN person g ON g.PatNum = a.PatNum WHERE a.AdjType IN (104, 105)
   AND a.AdjAmt > 1;

-- How a family pays. bad: never; visit: on the day; later: after a statement; halves: now and a
-- month later; plan: six months, for dear work; advance: money that the guarantor left earlier.
UPDATE due SET Owed = ROUND(Owed - Discount, 2), Habit = CASE
    WHEN dice(billing, Guarantor) % 100 < 3 THEN 'bad'
    WHEN dice(habit, PatNum, Day) % 1000 < 575 THEN 'visit'
    WHEN dice(habit, PatNum, Day) % 1000 < 865 THEN 'later'
    WHEN dice(habit, PatNum, Day) % 1000 < 890 THEN 'halves'
    WHEN dice(habit, PatNum, Day) % 1000 < 920 THEN IF(ProcNum > 0 AND Owed > 300, 'plan', 'visit')
    WHEN dice(habit, PatNum, Day) % 1000 < 930
     THEN IF(ProcNum > 0 AND Day > @opened + INTERVAL 30 DAY, 'advance', 'visit')
    ELSE 'bad' END;

CREATE TEMPORARY TABLE planned ENGINE=MyISAM
SELECT ProcNum, ROW_NUMBER() OVER (ORDER BY Day, ProcNum) AS PayPlanNum FROM due
       WHERE Habit = 'plan';
UPDATE due d JOIN planned p ON p.ProcNum = d.ProcNum SET d.PayPlanNum = p.PayPlanNum;
DROP TEMPORARY TABLE planned;

INSERT INTO payplan
  (PayPlanNum, PatNum, Guarantor, PayPlanDate, APR, Note, CompletedAmt, PaySchedule,
   NumberOfPayments, PayAmt, DownPayment, IsClosed, Signature, ChargeFrequency, DatePayPlanStart)
SELECT PayPlanNum, PatNum, Guarantor, Day, IF(PayPlanNum % 5, 0, 4.9),
       IF(PayPlanNum % 3, 'Six months.\nCard on file.', NULL), Owed, 2, 6,
       ROUND(Owed / 6, 2), 0, Day < @today - INTERVAL 200 DAY, '', 3, Day + INTERVAL 10 DAY
  FROM due WHERE Habit = 'plan';

-- Tag: 0 a payment, 1 an advance, 2 its transfer to the procedure, 3 a refund.
CREATE TEMPORARY TABLE part (
  PayDay date, Guarantor bigint, Tag int, ProcNum bigint, AdjNum bigint, PatNum bigint, ProvNum int,
  ClinicNum int,
  Day date, Amount double, UnearnedType int DEFAULT 0, PayPlanNum bigint DEFAULT 0, Place int,
  PayNum bigint DEFAULT 0
) ENGINE=MyISAM;

INSERT INTO part
SELECT CASE Habit WHEN 'visit' THEN Day
         WHEN 'later' THEN Day + INTERVAL 8 + dice(lag, PatNum, Day) % 25
              + IF(dice(lag2, PatNum, Day) % 4, 0, dice(lag3, PatNum, Day) % 120) DAY
         WHEN 'halves' THEN Day + INTERVAL 30 * seq DAY
         ELSE Day + INTERVAL 10 + 30 * seq DAY END,
       Guarantor, 0, ProcNum, AdjNum, PatNum, ProvNum, ClinicNum, Day,
       CASE Habit WHEN 'halves'
        THEN IF(seq, ROUND(Owed - ROUND(Owed / 2, 2), 2), ROUND(Owed / 2, 2))
         WHEN 'plan' THEN IF(seq = 5, ROUND(Owed - 5 * ROUND(Owed / 6, 2), 2), ROUND(Owed / 6, 2))
         ELSE Owed END,
       0, PayPlanNum, seq, 0
  FROM due JOIN seq_0_to_5
 WHERE seq = 0 AND Habit IN ('visit', 'later') OR seq <= 1 AND Habit = 'halves' OR Habit = 'plan';

-- An advance of the guarantor three weeks before, then a payment of 0 that moves it to the
-- procedure, often another family member's.
INSERT INTO part
SELECT IF(seq = 1, Day - INTERVAL 21 DAY, Day), Guarantor, IF(seq = 1, 1, 2),
       IF(seq = 3, ProcNum, 0), 0,
       IF(seq = 3, PatNum, Guarantor), IF(seq = 3, ProvNum, 0), ClinicNum,
       IF(seq = 3, Day, '0001-01-01'),
       IF(seq = 2, 0 - Owed, Owed), IF(seq = 3, 0, 2901), 0, ProcNum * 3 + seq, 0
  FROM due JOIN seq_1_to_3 WHERE Habit = 'advance';

-- Advances not used yet, and refunds.
INSERT INTO part
SELECT @today - INTERVAL dice(open, PatNum) % 40 DAY, PatNum, 1, 0, 0, PatNum, 0, ClinicNum,
       '0001-01-01',
       20 + dice(open2, PatNum) % 30000 / 100, 2901, 0, PatNum, 0
  FROM person WHERE PatNum = Guarantor AND Status = 0 AND (dice(hasopen, PatNum) % 40 = 0 OR PatNum <= 8);
INSERT INTO part
SELECT RefundOn, Guarantor, 3, ProcNum, 0, PatNum, ProvNum, ClinicNum, Day, 0 - LEAST(Refund, Owed),
       0, 0, 0, 0
  FROM due WHERE Refund > 0 AND Habit = 'visit' AND RefundOn > Day;

DELETE FROM part WHERE Amount = 0;
UPDATE part SET PayDay = PayDay + INTERVAL 1 DAY WHERE DAYOFWEEK(PayDay) = 1;
DELETE FROM part WHERE PayDay > @today;

CREATE TEMPORARY TABLE numbered ENGINE=MyISAM
SELECT p.*, DENSE_RANK() OVER (ORDER BY PayDay, Guarantor, Tag) AS Rank1,
       ROW_NUMBER() OVER (ORDER BY PayDay, Guarantor, Tag, ProcNum, AdjNum, UnearnedType,
                          Place) AS SplitPlace
  FROM part p;

INSERT INTO paysplit
  (SplitNum, SplitAmt, PatNum, ProcDate, PayNum, ProvNum, PayPlanNum, DatePay, ProcNum, DateEntry,
   UnearnedType, ClinicNum, SecUserNumEntry, SecDateTEdit, AdjNum, SecurityHash)
SELECT SplitPlace + SplitPlace DIV 80, Amount, PatNum, Day, Rank1 + Rank1 DIV 70, ProvNum,
       PayPlanNum, PayDay, ProcNum, PayDay, UnearnedType,
       ClinicNum, 1 + Rank1 % 9, PayDay + INTERVAL 9 * 60 + dice(paidat, Rank1) % 500 MINUTE,
       AdjNum, ''
  FROM numbered;

INSERT INTO payment
  (PayNum, PayType, PayDate, PayAmt, CheckNum, BankBranch, PayNote, IsSplit, PatNum, ClinicNum,
   DateEntry, Receipt, SecUserNumEntry, SecDateTEdit, PaymentSource, ProcessStatus, ExternalId,
   MerchantFee)
SELECT Rank1 + Rank1 DIV 70,
       CASE MIN(Tag) WHEN 2 THEN 0 WHEN 3 THEN 1006
            ELSE ELT(1 + dice(paytype, Rank1) % 10, 1001, 1001, 1002, 1003, 1003, 1003, 1003, 1004,
                     1004, 1005) END,
       MIN(PayDay), ROUND(SUM(Amount), 2),
       IF(dice(paytype, Rank1) % 10 < 2 AND MIN(Tag) < 2, 1000 + Rank1 % 9000, ''), '',
       ELT(1 + dice(paynote, Rank1) % 12, 'Thank you', 'Paid by "Mum"', 'C:\\receipts\\new', 'NULL',
           'line\nline', '', '', '', '', '', '', ''),
       COUNT(*) > 1, MIN(Guarantor), MIN(ClinicNum), MIN(PayDay),
       IF(dice(paytype, Rank1) % 10 < 3, '', CONCAT('APPROVED\r\nREF ', Rank1)),
       1 + Rank1 % 9, MIN(PayDay) + INTERVAL 9 * 60 + dice(paidat, Rank1) % 500 MINUTE, MIN(Tag) < 2
       AND dice(paytype, Rank1) % 10 IN (7, 8), 0, '',
       IF(dice(paytype, Rank1) % 10 IN (7, 8) AND MIN(Tag) < 2, SUM(Amount) * 0.029, 0)
  FROM numbered GROUP BY Rank1;
DROP TEMPORARY TABLE numbered;

-- Bad debt (103): what never came is written off after a year and a half, for half of them.
INSERT INTO adjustment
  (AdjNum, AdjDate, AdjAmt, PatNum, AdjType, ProvNum, AdjNote, ProcDate, ProcNum, DateEntry,
   ClinicNum, SecUserNumEntry, SecDateTEdit)
SELECT (SELECT IFNULL(MAX(AdjNum), 0) FROM adjustment) + ROW_NUMBER() OVER (ORDER BY Day, ProcNum),
       Day + INTERVAL 540 DAY, 0 - Owed, PatNum, 103,
       ProvNum, 'Sent to collections; "uncollectable"', Day, ProcNum, Day + INTERVAL 540 DAY,
       ClinicNum, 11, Day + INTERVAL 540 DAY + INTERVAL 10 HOUR
  FROM due WHERE Habit = 'bad' AND ProcNum > 0 AND Day < @today - INTERVAL 540 DAY
   AND dice(writeoff, PatNum, Day) % 2;

-- Statements to families that did not pay on the day, with the procedures they list.
INSERT INTO statement
  (StatementNum, PatNum, DateSent, DateRangeFrom, DateRangeTo, Note, NoteBold, Mode_, HidePayment,
   SinglePatient, Intermingled, IsSent, DocNum, DateTStamp, IsReceipt, IsInvoice, EmailSubject,
   EmailBody, IsBalValid, InsEst, BalTotal, StatementType, SmsSendStatus)
SELECT ROW_NUMBER() OVER (ORDER BY SentOn, Guarantor), Guarantor, SentOn, SentOn - INTERVAL 45 DAY,
       '2200-01-01',
       ELT(1 + dice(stnote, Guarantor, SentOn) % 4, '', NULL,
           'Please pay within 14 days.\r\nThank you', ''),
       IF(dice(bold, Guarantor, SentOn) % 10, '', 'OVERDUE'), dice(stmode, Guarantor, SentOn) % 4,
       0, 0, 1,
       SentOn < @today, 0, SentOn + INTERVAL 16 HOUR, 0, 0, '', '', 1, 0, ROUND(Owed, 2), '', 0
  FROM (SELECT Guarantor, Day + INTERVAL 7 - WEEKDAY(Day) DAY AS SentOn, SUM(Owed) AS Owed
          FROM due WHERE Habit NOT IN ('visit', 'advance') GROUP BY Guarantor, SentOn) AS s
 WHERE SentOn <= @today;

INSERT INTO statementprod
  (StatementProdNum, StatementNum, FKey, ProdType, LateChargeAdjNum, DocNum)
SELECT ROW_NUMBER() OVER (ORDER BY s.StatementNum, d.ProcNum, d.AdjNum), s.StatementNum,
       IF(d.ProcNum, d.ProcNum, d.AdjNum),
       IF(d.ProcNum, 1, 2), 0, 0
  FROM statement s JOIN due d ON d.Guarantor = s.PatNum AND d.Habit NOT IN ('visit', 'advance')
   AND s.DateSent = d.Day + INTERVAL 7 - WEEKDAY(d.Day) DAY;

DROP TEMPORARY TABLE part;
DROP TEMPORARY TABLE line;
