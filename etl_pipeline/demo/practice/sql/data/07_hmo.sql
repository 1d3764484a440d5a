-- Capitation: a plan that pays the office by the head, whoever comes. Its members pay a copay; the
-- rest of the price is written off when the work is done (claimproc 7), and planned so before (8).
INSERT INTO insplan
  (PlanNum, GroupName, GroupNum, PlanNote, FeeSched, PlanType, EmployerNum, CarrierNum, IsHidden,
   CobRule, SecUserNumEntry, SecDateEntry, SecDateTEdit, OrthoAutoFeeBilled, IsBlueBookEnabled)
SELECT (SELECT MAX(PlanNum) FROM insplan) + seq, ELT(seq, 'Heads', 'Heads, families'),
       CONCAT('H', 100 + seq), '', 1, 'c', 1, 28, 0, 0, 1, '2021-01-04', '2021-01-04 10:00:00', 0, 0
  FROM seq_1_to_2;

CREATE TEMPORARY TABLE head ENGINE=MyISAM
SELECT p.PatNum, p.Guarantor, p.Age, p.Since FROM person p
 WHERE dice(heads, p.Guarantor) % 100 < 25 AND NOT EXISTS (
       SELECT 1 FROM person q JOIN patplan i ON i.PatNum = q.PatNum
        WHERE q.Guarantor = p.Guarantor);
INSERT INTO inssub
  (InsSubNum, PlanNum, Subscriber, DateEffective, DateTerm, ReleaseInfo, AssignBen, SubscriberID,
   BenefitNotes, SubscNote, SecUserNumEntry, SecDateEntry, SecDateTEdit)
SELECT (SELECT MAX(InsSubNum) FROM inssub) + ROW_NUMBER() OVER (ORDER BY PatNum),
       (SELECT MAX(PlanNum) FROM insplan) - PatNum % 2, PatNum, '0001-01-01', '0001-01-01', 1, 1,
       CONCAT('HM', PatNum), '', '', 2, GREATEST(Since, @opened),
       GREATEST(Since, @opened) + INTERVAL 630 MINUTE
  FROM head WHERE PatNum = Guarantor;
INSERT INTO patplan
  (PatPlanNum, PatNum, Ordinal, IsPending, Relationship, PatID, InsSubNum, SecDateTEntry,
   SecDateTEdit)
SELECT (SELECT MAX(PatPlanNum) FROM patplan) + ROW_NUMBER() OVER (ORDER BY h.PatNum), h.PatNum, 1,
       0, CASE WHEN h.PatNum = s.Subscriber THEN 0 WHEN h.Age > 20 THEN 1 ELSE 2 END, '',
       s.InsSubNum, s.SecDateTEdit, s.SecDateTEdit
  FROM head h JOIN inssub s ON s.Subscriber = h.Guarantor;
UPDATE patient p JOIN head h ON h.PatNum = p.PatNum
   SET p.HasIns = 'I', p.DateTStamp = p.DateTStamp;

-- For line's readers, a member's copay is what is left of the price.
INSERT INTO line
  (ProcNum, PatNum, AptNum, Day, ProvNum, ClinicNum, ProcCode, PlanNum, InsSubNum, CarrierNum, Fee,
   Allowed, Percent, Deductible, Estimate, ClaimNum, ReceivedOn, IsReceived, IsDenied)
SELECT p.ProcNum, p.PatNum, p.AptNum, p.ProcDate, p.ProvNum, p.ClinicNum, c.ProcCode, s.PlanNum,
       s.InsSubNum, 28, p.ProcFee, ROUND(p.ProcFee * 0.3, 2), 0, 0, 0, 0, p.ProcDate, 1, 0
  FROM procedurelog p
  JOIN head h ON h.PatNum = p.PatNum
  JOIN inssub s ON s.Subscriber = h.Guarantor
  JOIN codelist c ON c.CodeNum = p.CodeNum AND c.Coverage > 0
 WHERE p.ProcStatus = 2 AND p.ProcFee > 0;
INSERT INTO claimproc
  (ClaimProcNum, ProcNum, ClaimNum, PatNum, ProvNum, FeeBilled, Status, PlanNum, DateCP, WriteOff,
   CodeSent, AllowedOverride, CopayAmt, ProcDate, DateEntry, DedEstOverride, InsEstTotalOverride,
   PaidOtherInsOverride, WriteOffEst, WriteOffEstOverride, ClinicNum, InsSubNum, SecUserNumEntry,
   SecDateEntry, SecDateTEdit)
SELECT (SELECT MAX(ClaimProcNum) FROM claimproc) + ROW_NUMBER() OVER (ORDER BY w.ProcNum),
       w.ProcNum, 0, w.PatNum, w.ProvNum, w.ProcFee, IF(w.ProcStatus = 2, 7, 8), s.PlanNum,
       w.Day, ROUND(w.ProcFee - ROUND(w.ProcFee * 0.3, 2), 2), c.ProcCode, -1,
       ROUND(w.ProcFee * 0.3, 2), w.Day, w.Day, -1, -1, -1,
       ROUND(w.ProcFee - ROUND(w.ProcFee * 0.3, 2), 2), -1, w.ClinicNum, s.InsSubNum, 10, w.Day,
       w.Day + INTERVAL 17 HOUR
  FROM (SELECT p.*, IF(p.ProcStatus = 2, p.ProcDate, p.DateTP) AS Day FROM procedurelog p) AS w
  JOIN head h ON h.PatNum = w.PatNum
  JOIN inssub s ON s.Subscriber = h.Guarantor
  JOIN codelist c ON c.CodeNum = w.CodeNum AND c.Coverage > 0
 WHERE w.ProcStatus IN (1, 2) AND w.ProcFee > 0;
DROP TEMPORARY TABLE head;
