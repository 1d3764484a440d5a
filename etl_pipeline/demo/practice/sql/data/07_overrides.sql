-- Estimates that the desk sets by hand. The program writes what it expects of a write-off into
-- WriteOff before the carrier answers: the override where there is one, else its own estimate.
UPDATE claimproc SET WriteOffEstOverride = ROUND(WriteOffEst * 0.75, 2), SecDateTEdit = SecDateTEdit
 WHERE Status IN (0, 6) AND WriteOffEst > 1 AND dice(writeoffset, ClaimProcNum) % 8 = 0;
UPDATE claimproc SET WriteOff = IF(WriteOffEstOverride <> -1, WriteOffEstOverride,
                                   GREATEST(WriteOffEst, 0)), SecDateTEdit = SecDateTEdit
 WHERE Status IN (0, 6);
UPDATE claimproc SET InsEstTotalOverride = ROUND(InsPayEst * 0.9, 2), SecDateTEdit = SecDateTEdit
 WHERE Status = 0 AND InsPayEst > 20 AND dice(totalset, ClaimProcNum) % 10 = 0;
-- What a carrier said of planned work beforehand takes the place of the estimate.
UPDATE claimproc SET InsEstTotalOverride = ROUND(InsEstTotal * 0.8, 2), SecDateTEdit = SecDateTEdit
 WHERE Status = 6 AND InsEstTotal > 20 AND dice(asked, ClaimProcNum) % 10 = 0;
UPDATE claimproc SET InsPayEst = InsEstTotalOverride, SecDateTEdit = SecDateTEdit
 WHERE Status = 0 AND InsEstTotalOverride <> -1;
UPDATE claim c
  JOIN (SELECT ClaimNum, ROUND(SUM(InsPayEst), 2) AS Estimate, ROUND(SUM(WriteOff), 2) AS WriteOff
          FROM claimproc WHERE Status = 0 GROUP BY ClaimNum) AS l ON l.ClaimNum = c.ClaimNum
   SET c.InsPayEst = l.Estimate, c.WriteOff = l.WriteOff, c.SecDateTEdit = c.SecDateTEdit;
