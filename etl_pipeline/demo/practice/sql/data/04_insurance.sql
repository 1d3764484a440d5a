-- Carriers, plans, who subscribes and who is covered: a family mostly through its
-- guarantor.

INSERT INTO carrier
  (CarrierNum, CarrierName, Address, City, State, Zip, Phone, ElectID, NoSendElect, IsHidden,
   SecUserNumEntry, SecDateEntry, SecDateTEdit, TIN, ApptTextBackColor)
SELECT seq, CONCAT(ELT(1 + seq % 10, 'Northwind', 'Southgate', 'Pinnacle', 'Harbourlight', 'Meadow',
                       'Summit',
                       'Old Oak', 'Blue Kite', 'Clearwater', 'Étoile'), ' ',
                   ELT(1 + seq DIV 10, 'Dental', 'Mutual', 'Benefit')),
       CONCAT('PO Box ', 100 + seq), 'Lindenmere', 'ZZ', '00109', '5550150',
       CONCAT('ZZ', 100 + seq),
       seq % 9 = 0, seq = 27, 1, '2021-01-04', '2021-01-04 08:00:00', '', -16777216
  FROM seq_1_to_28;

INSERT INTO insplan
  (PlanNum, GroupName, GroupNum, PlanNote, FeeSched, PlanType, EmployerNum, CarrierNum,
   AllowedFeeSched, IsMedical, IsHidden, MonthRenew, CobRule, SecUserNumEntry, SecDateEntry,
   SecDateTEdit, OrthoAutoFeeBilled, BillingType, ManualFeeSchedNum, IsBlueBookEnabled,
   PerVisitPatAmount)
SELECT seq, ELT(1 + dice(group, seq) % 5, 'Standard', 'Premium', 'Basic "B"', '', 'Family\\Plus'),
       IF(seq % 23 = 0, NULL, CONCAT('G', 1000 + seq)),
       IF(seq % 6, '', 'Waits 12 months for crowns.\r\nMissing tooth clause.'),
       ELT(1 + dice(plan, seq) % 10, 2, 2, 2, 3, 3, 3, 4, 1, 1, 1),
       ELT(1 + dice(plan, seq) % 10, 'p', 'p', 'p', 'p', 'p', 'p', 'f', '', '', ''),
       1 + dice(planemp, seq) % GREATEST(10, @patients DIV 20), 1 + dice(carrier, seq) % 26,
       IF(dice(plan, seq) % 10 > 6, 5, 0), seq % 60 = 0, seq % 40 = 0, IF(seq % 8 = 0, 7, 0),
       seq % 3, 1,
       '2021-01-04', @opened + INTERVAL dice(planstamp, seq) % 1200 DAY + INTERVAL 10 HOUR, 0, 0, 0,
       1, 0
  FROM seq_1_to_10000000 WHERE seq <= GREATEST(8, @patients DIV 8);

-- Subscribers: two families in three, and a few spouses with a second plan.
INSERT INTO inssub
  (InsSubNum, PlanNum, Subscriber, DateEffective, DateTerm, ReleaseInfo, AssignBen, SubscriberID,
   BenefitNotes, SubscNote, SecUserNumEntry, SecDateEntry, SecDateTEdit)
SELECT ROW_NUMBER() OVER (ORDER BY PatNum),
       1 + dice(subplan, PatNum) % GREATEST(8, @patients DIV 8), PatNum,
       IF(dice(effective, PatNum) % 5, Since, '0001-01-01'),
       IF(dice(term, PatNum) % 30, '0001-01-01', '2024-12-31'), 1, 1,
       CONCAT('ZZ', LPAD(dice(subid, PatNum) % 1000000000, 9, '0')),
       IF(PatNum % 10, '', 'Asked by phone:\n- exams 2 / year\n- "deductible" 50'),
       '', 2, GREATEST(Since, @opened),
       GREATEST(Since, @opened) + INTERVAL 620 + PatNum % 300 MINUTE
  FROM person
 WHERE (PatNum = Guarantor AND dice(insured, PatNum) % 100 < 66)
    OR (PatNum = Guarantor + 1 AND Age > 20 AND dice(insured, PatNum) % 100 < 12);

INSERT INTO patplan
  (PatPlanNum, PatNum, Ordinal, IsPending, Relationship, PatID, InsSubNum, SecDateTEntry,
   SecDateTEdit)
SELECT ROW_NUMBER() OVER (ORDER BY p.PatNum, (s.Subscriber = p.PatNum) DESC), p.PatNum,
       ROW_NUMBER() OVER (PARTITION BY p.PatNum ORDER BY (s.Subscriber = p.PatNum) DESC,
                          s.InsSubNum), 0,
       CASE WHEN p.PatNum = s.Subscriber THEN 0 WHEN p.Age > 20 THEN 1 ELSE 2 END,
       IF(p.PatNum % 40, '', CONCAT('0', p.PatNum)), s.InsSubNum,
       GREATEST(p.Since, @opened) + INTERVAL 11 HOUR, GREATEST(p.Since, @opened) + INTERVAL 11 HOUR
  FROM (SELECT PatNum, Guarantor AS Holder FROM person WHERE PatNum <> Guarantor
        UNION ALL SELECT PatNum, PatNum FROM person) AS h
  JOIN person p ON p.PatNum = h.PatNum
  JOIN inssub s ON s.Subscriber = h.Holder
 WHERE p.PatNum = s.Subscriber OR dice(covered, p.PatNum) % 100 < 88;

UPDATE patient p JOIN (SELECT DISTINCT PatNum FROM patplan) AS c ON c.PatNum = p.PatNum
   SET p.HasIns = 'I', p.DateTStamp = p.DateTStamp;

-- Eleven rows a plan: percentages by category, deductible, yearly limit, how often.
-- BenefitType: 0 active, 1 coinsurance, 2 deductible, 5 limitations.
INSERT INTO benefit
  (BenefitNum, PlanNum, PatPlanNum, CovCatNum, BenefitType, Percent, MonetaryAmt, TimePeriod,
   QuantityQualifier, Quantity, CodeNum, CoverageLevel, SecDateTEntry, SecDateTEdit, CodeGroupNum,
   TreatArea)
SELECT (p.PlanNum - 1) * 11 + k.seq, p.PlanNum, 0, IF(k.seq <= 8, k.seq, 0),
       CASE WHEN k.seq <= 8 THEN 1 WHEN k.seq = 9 THEN 2 ELSE 5 END,
       IF(k.seq <= 8, ELT(k.seq, 100, 100, 80, 80, 80, 50, 50, 50), -1),
       CASE k.seq WHEN 9 THEN 50 WHEN 10 THEN 1000 + 250 * (dice(limit, p.PlanNum) % 5) ELSE -1 END,
       IF(p.MonthRenew, 1, 2), IF(k.seq = 11, 4, 0), IF(k.seq = 11, 2, 0), 0, IF(k.seq >= 9, 1, 0),
       '2021-01-04 08:00:00', p.SecDateTEdit, IF(k.seq = 11, 3, 0), 0
  FROM insplan p JOIN seq_1_to_11 k;

-- When benefits were last asked for: VerifyType 1 is a plan, 2 a covered patient.
INSERT INTO insverify
  (InsVerifyNum, DateLastVerified, UserNum, VerifyType, FKey, DefNum, Note, DateLastAssigned,
   DateTimeEntry, HoursAvailableForVerification, SecDateTEdit)
SELECT ROW_NUMBER() OVER (ORDER BY VerifyType, FKey),
       IF(dice(verified, VerifyType, FKey) % 5,
          @today - INTERVAL dice(verifyday, VerifyType, FKey) % 400 DAY,
          '0001-01-01'),
       IF(dice(verified, VerifyType, FKey) % 5, 10 + FKey % 4, 0), VerifyType, FKey,
       IF(FKey % 3, 3801, 3802), IF(FKey % 8, '', 'Rang; waited 40 min.\nRef "A-1"'), '0001-01-01',
       '2021-01-04 08:00:00', 1 / 3 * (FKey % 50),
       @today - INTERVAL dice(verifyday, VerifyType, FKey) % 400 DAY + INTERVAL 14 HOUR
  FROM (SELECT 1 AS VerifyType, PlanNum AS FKey FROM insplan
        UNION ALL SELECT 2, PatPlanNum FROM patplan) AS k;

INSERT INTO insverifyhist
  (InsVerifyHistNum, InsVerifyNum, DateLastVerified, UserNum, VerifyType, FKey, DefNum, Note,
   DateLastAssigned, DateTimeEntry, HoursAvailableForVerification, VerifyUserNum, SecDateTEdit)
SELECT ROW_NUMBER() OVER (ORDER BY v.InsVerifyNum, k.seq), v.InsVerifyNum,
       v.DateLastVerified - INTERVAL 180 * k.seq DAY, v.UserNum, v.VerifyType, v.FKey, v.DefNum,
       v.Note,
       '0001-01-01', v.DateLastVerified - INTERVAL 180 * k.seq DAY + INTERVAL 15 HOUR,
       v.HoursAvailableForVerification, 10, v.SecDateTEdit - INTERVAL 180 * k.seq DAY
  FROM insverify v JOIN seq_1_to_2 k WHERE v.DateLastVerified > '0001-01-01';
