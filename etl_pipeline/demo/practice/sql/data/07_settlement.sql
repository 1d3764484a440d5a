-- What carriers settle otherwise than by a cheque for a claim: money taken back, money whose
-- payment nobody has finalised, a payment that is still being entered.

-- Taken back (a supplement, 4, of negative amounts) with what the carrier pays elsewhere: one line
-- in 90, after ten weeks; the network's write-off goes with it.
INSERT INTO claimproc
  (ClaimProcNum, ProcNum, ClaimNum, PatNum, ProvNum, Status, InsPayAmt, Remarks, ClaimPaymentNum,
   PlanNum, DateCP, WriteOff, CodeSent, AllowedOverride, ProcDate, DateEntry, DedEstOverride,
   InsEstTotalOverride, PaidOtherInsOverride, WriteOffEst, WriteOffEstOverride, ClinicNum,
   InsSubNum, SecUserNumEntry, SecDateEntry, SecDateTEdit, DateSuppReceived, DateInsFinalized)
SELECT (SELECT MAX(ClaimProcNum) FROM claimproc) + ROW_NUMBER() OVER (ORDER BY l.ProcNum),
       l.ProcNum, l.ClaimNum, l.PatNum, l.ProvNum, 4, 0 - l.Estimate, 'Taken back; "not covered"',
       k.ClaimPaymentNum, l.PlanNum, k.CheckDate, ROUND(l.Allowed - l.Fee, 2), l.ProcCode, -1,
       l.Day, k.CheckDate, -1, -1, -1, -1, -1, l.ClinicNum, l.InsSubNum, 11, k.CheckDate,
       k.CheckDate + INTERVAL 14 HOUR, k.CheckDate, k.CheckDate
  FROM line l
  JOIN (SELECT t.ProcNum, MIN(c.ClaimPaymentNum) AS ClaimPaymentNum
          FROM line t
          JOIN insplan i ON i.CarrierNum = t.CarrierNum
          JOIN claimproc c ON c.PlanNum = i.PlanNum AND c.ClaimPaymentNum > 0
           AND c.DateCP BETWEEN t.ReceivedOn + INTERVAL 70 DAY AND t.ReceivedOn + INTERVAL 110 DAY
         WHERE t.IsReceived AND NOT t.IsDenied AND t.Estimate > 0
           AND dice(takeback, t.ProcNum) % 90 = 0
         GROUP BY t.ProcNum) AS pick ON pick.ProcNum = l.ProcNum
  JOIN claimpayment k ON k.ClaimPaymentNum = pick.ClaimPaymentNum;
UPDATE claim c
  JOIN (SELECT ClaimNum, SUM(InsPayAmt) AS Paid, SUM(WriteOff) AS WriteOff FROM claimproc
         WHERE Status = 4 AND InsPayAmt < 0 GROUP BY ClaimNum) AS s ON s.ClaimNum = c.ClaimNum
   SET c.InsPayAmt = ROUND(c.InsPayAmt + s.Paid, 2), c.WriteOff = ROUND(c.WriteOff + s.WriteOff, 2),
       c.SecDateTEdit = c.SecDateTEdit;

-- Not finalised: the claims are received, and no payment is made of them yet. So are most of the
-- last ten days, and here and there an old one that was forgotten.
CREATE TEMPORARY TABLE unfinalized ENGINE=MyISAM
SELECT ClaimPaymentNum FROM claimpayment
 WHERE dice(unfinal, ClaimPaymentNum) % 100 < IF(CheckDate > @today - INTERVAL 10 DAY, 60, 1);
ALTER TABLE unfinalized ADD PRIMARY KEY (ClaimPaymentNum);
UPDATE claimproc c JOIN unfinalized u ON u.ClaimPaymentNum = c.ClaimPaymentNum
   SET c.ClaimPaymentNum = 0, c.DateInsFinalized = '0001-01-01', c.SecDateTEdit = c.SecDateTEdit;
DELETE e FROM eobattach e JOIN unfinalized u ON u.ClaimPaymentNum = e.ClaimPaymentNum;
DELETE k FROM claimpayment k JOIN unfinalized u ON u.ClaimPaymentNum = k.ClaimPaymentNum;
DROP TEMPORARY TABLE unfinalized;

-- Cheques that say another day than their lines: entered by the program before this one.
UPDATE claimpayment SET CheckDate = CheckDate + INTERVAL 2 DAY, SecDateTEdit = SecDateTEdit
 WHERE dice(otherday, ClaimPaymentNum) % 25 = 0 AND CheckDate < @today - INTERVAL 2 DAY;

-- What each cheque is for, after all this; the newest is entered in part.
UPDATE claimpayment k
  JOIN (SELECT ClaimPaymentNum, ROUND(SUM(InsPayAmt), 2) AS Paid FROM claimproc
         WHERE ClaimPaymentNum > 0 GROUP BY ClaimPaymentNum) AS s
    ON s.ClaimPaymentNum = k.ClaimPaymentNum
   SET k.CheckAmt = s.Paid, k.SecDateTEdit = k.SecDateTEdit;
UPDATE claimpayment k JOIN (SELECT MAX(ClaimPaymentNum) AS Newest FROM claimpayment) AS n
    ON n.Newest = k.ClaimPaymentNum
   SET k.IsPartial = 1, k.CheckAmt = ROUND(k.CheckAmt + 250, 2), k.SecDateTEdit = k.SecDateTEdit;

-- What the office expected of a line when its claim was made: since 2022, when it began to keep
-- that. Now and then the network's prices were old (another write-off), or there were none (-1).
INSERT INTO claimsnapshot
  (ClaimSnapshotNum, ProcNum, ClaimType, Writeoff, InsPayEst, Fee, DateTEntry, ClaimProcNum,
   SnapshotTrigger)
SELECT ROW_NUMBER() OVER (ORDER BY c.ClaimProcNum), c.ProcNum, 'P',
       CASE dice(snapshot, c.ProcNum) % 12 WHEN 0 THEN ROUND((l.Fee - l.Allowed) * 0.8, 2)
         WHEN 1 THEN -1 ELSE ROUND(l.Fee - l.Allowed, 2) END,
       l.Estimate, l.Fee, l.Day + INTERVAL 17 * 60 + 30 MINUTE, c.ClaimProcNum, 0
  FROM claimproc c JOIN line l ON l.ProcNum = c.ProcNum AND l.ClaimNum = c.ClaimNum
 WHERE c.Status IN (0, 1) AND l.ClaimNum > 0 AND l.Day >= '2022-01-01';
