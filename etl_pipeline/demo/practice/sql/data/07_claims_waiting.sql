-- Claims that wait to be sent, some of them forgotten. OpenDental gives a claim the day on which it
-- was made as DateSent; DateSentOrig is set when it goes out. H is held until the primary answers.
UPDATE claim
   SET ClaimStatus = IF(ClaimStatus <> 'S', ClaimStatus,
                        ELT(1 + dice(waits, ClaimNum) % 3, 'W', 'H', 'U')),
       DateSent = SecDateEntry, DateSentOrig = '0001-01-01', SecDateTEdit = SecDateTEdit
 WHERE ClaimStatus IN ('U', 'W') OR (ClaimStatus = 'S' AND dice(forgotten, ClaimNum) % 12 = 0);
UPDATE claim SET ClaimStatus = 'P', SecDateTEdit = SecDateTEdit
 WHERE ClaimStatus = 'S' AND dice(probably, ClaimNum) % 40 = 0;
-- Some were sent again.
UPDATE claim SET DateSent = LEAST(@today, DateSentOrig + INTERVAL 21 DAY), DateResent = DateSent,
       SecDateTEdit = SecDateTEdit
 WHERE ClaimStatus = 'S' AND dice(resent, ClaimNum) % 6 = 0;

-- Who follows up a claim.
INSERT INTO claimtracking
  (ClaimTrackingNum, ClaimNum, TrackingType, UserNum, DateTimeEntry, Note, TrackingDefNum,
   TrackingErrorDefNum)
SELECT (SELECT MAX(ClaimTrackingNum) FROM claimtracking)
         + ROW_NUMBER() OVER (ORDER BY ClaimNum, k.seq),
       ClaimNum, 'ClaimUser', 10 + (ClaimNum + k.seq) % 4, SecDateTEdit + INTERVAL k.seq DAY, '', 0, 0
  FROM claim JOIN seq_1_to_2 k
 WHERE ClaimStatus = 'S' AND dice(follows, ClaimNum, k.seq) % 100 < IF(k.seq = 1, 70, 15);

-- Insurance history (claimproc status 9): work done elsewhere that a plan counts; no money.
INSERT INTO claimproc
  (ClaimProcNum, ProcNum, PatNum, ProvNum, Status, PlanNum, InsSubNum, DateCP, ProcDate, CodeSent,
   AllowedOverride, Percentage, DedEstOverride, InsEstTotalOverride, PaidOtherInsOverride,
   WriteOffEst, WriteOffEstOverride, ClinicNum, SecUserNumEntry, SecDateEntry, SecDateTEdit)
SELECT (SELECT MAX(ClaimProcNum) FROM claimproc) + ROW_NUMBER() OVER (ORDER BY p.ProcNum), p.ProcNum,
       p.PatNum, p.ProvNum, 9, s.PlanNum, s.InsSubNum, p.ProcDate, p.ProcDate, c.ProcCode, -1, -1,
       -1, -1, -1, -1, -1, p.ClinicNum, 10, DATE(p.DateTStamp), p.DateTStamp
  FROM procedurelog p JOIN procedurecode c ON c.CodeNum = p.CodeNum
  JOIN patplan pp ON pp.PatNum = p.PatNum AND pp.Ordinal = 1
  JOIN inssub s ON s.InsSubNum = pp.InsSubNum
 WHERE p.ProcStatus = 4 AND p.ProcDate > '1900-01-01';
