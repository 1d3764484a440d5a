-- The rest of the day in billing: payments that are finalised, and others that are not yet.

SET timestamp = UNIX_TIMESTAMP(@day + INTERVAL 960 MINUTE);
SET @checks = (SELECT MAX(ClaimPaymentNum) FROM claimpayment),
    @lines = (SELECT MAX(ClaimProcNum) FROM claimproc);

-- The money of a carrier whose claims wait longest becomes a payment of today, which is the day of
-- its lines too.
SET @waiting = (SELECT i.CarrierNum FROM claimproc c JOIN insplan i ON i.PlanNum = c.PlanNum
                 WHERE c.ClaimPaymentNum = 0 AND c.InsPayAmt <> 0 AND c.Status IN (1, 4)
                   AND c.DateCP < @day - INTERVAL 4 DAY
                 ORDER BY c.DateCP, c.ClaimProcNum LIMIT 1);
CREATE TEMPORARY TABLE finalized ENGINE=MyISAM
SELECT c.ClaimProcNum FROM claimproc c JOIN insplan i ON i.PlanNum = c.PlanNum
 WHERE i.CarrierNum = @waiting AND c.ClaimPaymentNum = 0 AND c.Status IN (1, 4)
   AND c.DateCP < @day - INTERVAL 4 DAY;
ALTER TABLE finalized ADD PRIMARY KEY (ClaimProcNum);
UPDATE claimproc c JOIN finalized f ON f.ClaimProcNum = c.ClaimProcNum
   SET c.ClaimPaymentNum = @checks + 1, c.DateCP = @day, c.DateInsFinalized = @day;
INSERT INTO claimpayment
  (ClaimPaymentNum, CheckDate, CheckAmt, CheckNum, CarrierName, DateIssued, PayType,
   SecUserNumEntry, SecDateEntry)
SELECT @checks + 1, @day, ROUND(SUM(c.InsPayAmt), 2), '', MIN(r.CarrierName),
       @day - INTERVAL 4 DAY, 3201, 10, @day
  FROM claimproc c JOIN finalized f ON f.ClaimProcNum = c.ClaimProcNum
  JOIN carrier r ON r.CarrierNum = @waiting
HAVING COUNT(*) > 0;

-- Two claims that were sent last week are answered at once, electronically; their payment is to come.
CREATE TEMPORARY TABLE tocome ENGINE=MyISAM
SELECT ClaimNum FROM claim
 WHERE ClaimStatus IN ('S', 'P') AND ClaimType = 'P'
   AND DateSentOrig BETWEEN @day - INTERVAL 7 DAY AND @day - INTERVAL 2 DAY
   AND dice(quick, ClaimNum) % 3 > 0
 ORDER BY DateService, ClaimNum LIMIT 2;
ALTER TABLE tocome ADD PRIMARY KEY (ClaimNum);
UPDATE claimproc c JOIN tocome t ON t.ClaimNum = c.ClaimNum
   SET c.Status = 1, c.InsPayAmt = c.InsPayEst, c.WriteOff = GREATEST(c.WriteOffEst, 0),
       c.DateCP = @day, c.DateEntry = @day
 WHERE c.Status = 0;
UPDATE claim c JOIN tocome t ON t.ClaimNum = c.ClaimNum
  JOIN (SELECT p.ClaimNum, ROUND(SUM(p.InsPayAmt), 2) AS Paid, ROUND(SUM(p.WriteOff), 2) AS WriteOff
          FROM claimproc p JOIN tocome x ON x.ClaimNum = p.ClaimNum GROUP BY p.ClaimNum) AS s
    ON s.ClaimNum = c.ClaimNum
   SET c.ClaimStatus = 'R', c.DateReceived = @day, c.InsPayAmt = s.Paid, c.WriteOff = s.WriteOff;

-- A carrier takes back what it paid for a line of last year, with a payment of today.
SET @check = (SELECT MAX(ClaimPaymentNum) FROM claimpayment WHERE CheckDate = @day);
SET @back = (SELECT ClaimProcNum FROM claimproc
              WHERE Status = 1 AND ClaimPaymentNum > 0 AND InsPayAmt > 0
                AND DateCP < @day - INTERVAL 60 DAY
              ORDER BY dice(back, @day, ClaimProcNum), ClaimProcNum LIMIT 1);
INSERT INTO claimproc
  (ClaimProcNum, ProcNum, ClaimNum, PatNum, ProvNum, Status, InsPayAmt, Remarks, ClaimPaymentNum,
   PlanNum, DateCP, WriteOff, CodeSent, AllowedOverride, ProcDate, DateEntry, DedEstOverride,
   InsEstTotalOverride, PaidOtherInsOverride, WriteOffEst, WriteOffEstOverride, ClinicNum,
   InsSubNum, SecUserNumEntry, SecDateEntry, DateSuppReceived, DateInsFinalized)
SELECT @lines + 1, ProcNum, ClaimNum, PatNum, ProvNum, 4, 0 - InsPayAmt, 'Taken back', @check,
       PlanNum, @day, 0 - WriteOff, CodeSent, -1, ProcDate, @day, -1, -1, -1, -1, -1, ClinicNum,
       InsSubNum, 10, @day, @day, @day
  FROM claimproc WHERE ClaimProcNum = @back AND @check IS NOT NULL;
UPDATE claimpayment k JOIN claimproc c ON c.ClaimProcNum = @lines + 1
   SET k.CheckAmt = ROUND(k.CheckAmt + c.InsPayAmt, 2)
 WHERE k.ClaimPaymentNum = @check;

-- Capitation: what was planned to be written off is, of what was done today. Today's new claims are
-- remembered as they were expected; for one line in eight the network's prices are old.
UPDATE claimproc c JOIN procedurelog p ON p.ProcNum = c.ProcNum AND p.ProcStatus = 2
   SET c.Status = 7, c.ProcDate = p.ProcDate, c.DateCP = p.ProcDate, c.DateEntry = @day
 WHERE c.Status = 8;
INSERT INTO claimsnapshot
  (ClaimSnapshotNum, ProcNum, ClaimType, Writeoff, InsPayEst, Fee, DateTEntry, ClaimProcNum,
   SnapshotTrigger)
SELECT (SELECT MAX(ClaimSnapshotNum) FROM claimsnapshot)
         + ROW_NUMBER() OVER (ORDER BY c.ClaimProcNum),
       c.ProcNum, 'P', IF(dice(snapshot, c.ProcNum) % 8, c.WriteOffEst, ROUND(c.FeeBilled / 20, 2)),
       c.InsPayEst, c.FeeBilled, @day + INTERVAL 1050 MINUTE, c.ClaimProcNum, 0
  FROM claimproc c WHERE c.Status = 0 AND c.ClaimNum > @claims;

-- The desk corrects a quantity of last month, and then it is another price.
UPDATE procedurelog p
  JOIN (SELECT ProcNum FROM procedurelog
         WHERE ProcStatus = 2 AND UnitQty > 1 AND ProcDate < @day - INTERVAL 30 DAY
         ORDER BY dice(moreunits, @day, ProcNum), ProcNum LIMIT 1) AS pick ON pick.ProcNum = p.ProcNum
   SET p.UnitQty = p.UnitQty + 1, p.DateTStamp = p.DateTStamp;

DROP TEMPORARY TABLE finalized;
DROP TEMPORARY TABLE tocome;
