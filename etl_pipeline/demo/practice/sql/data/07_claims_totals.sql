-- Claims that the desk received "as total", as it may where no network's prices are tracked: the money
-- is a line without a procedure, and the procedures' own lines are received with nothing.
CREATE TEMPORARY TABLE astotal ENGINE=MyISAM
SELECT l.ClaimNum, MIN(l.PatNum) AS PatNum, MIN(l.ProvNum) AS ProvNum, MIN(l.ClinicNum) AS ClinicNum,
       MIN(l.PlanNum) AS PlanNum, MIN(l.InsSubNum) AS InsSubNum, MIN(l.Day) AS Day,
       MIN(l.ReceivedOn) AS ReceivedOn, MIN(l.CheckPlace) AS ClaimPaymentNum,
       ROUND(SUM(l.Estimate), 2) AS Paid
  FROM line l JOIN insplan i ON i.PlanNum = l.PlanNum AND i.PlanType IN ('', 'f')
 WHERE l.IsReceived AND dice(astotal, l.ClaimNum) % 12 = 0
 GROUP BY l.ClaimNum HAVING COUNT(*) > 1 AND NOT MAX(l.IsDenied) AND Paid > 0;
ALTER TABLE astotal ADD PRIMARY KEY (ClaimNum);
UPDATE claimproc c JOIN astotal t ON t.ClaimNum = c.ClaimNum
   SET c.InsPayAmt = 0, c.SecDateTEdit = c.SecDateTEdit;
INSERT INTO claimproc
  (ClaimProcNum, ProcNum, ClaimNum, PatNum, ProvNum, Status, InsPayAmt, Remarks, ClaimPaymentNum,
   PlanNum, DateCP, CodeSent, AllowedOverride, ProcDate, DateEntry, DedEstOverride,
   InsEstTotalOverride, PaidOtherInsOverride, WriteOffEst, WriteOffEstOverride, ClinicNum,
   InsSubNum, SecUserNumEntry, SecDateEntry, SecDateTEdit, DateInsFinalized)
SELECT (SELECT MAX(ClaimProcNum) FROM claimproc) + ROW_NUMBER() OVER (ORDER BY ClaimNum), 0,
       ClaimNum, PatNum, ProvNum, 1, Paid, '', ClaimPaymentNum, PlanNum, ReceivedOn, '', -1, Day,
       ReceivedOn, -1, -1, -1, -1, -1, ClinicNum, InsSubNum, 11, ReceivedOn,
       ReceivedOn + INTERVAL 14 HOUR, ReceivedOn
  FROM astotal;
DROP TEMPORARY TABLE astotal;
