-- What was done, and what is planned. The temporary table work collects procedures from several
-- sources; then they get their keys in the order of entry.

-- Which procedures a kind of visit brings. Each slot is one roll of 0 to 999; Kind X: treatment
-- that other offices did, W: things to watch.
CREATE TEMPORARY TABLE menu (
  Kind char(1) CHARACTER SET latin1, Slot int, RollFrom int, RollTo int, AgeFrom int, AgeTo int,
  ProcCode varchar(15) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin,
  CodeNum int DEFAULT 0, Price double DEFAULT 0,
  TreatArea int DEFAULT 0, KEY (Kind, Slot)
) ENGINE=MyISAM;
INSERT INTO menu (Kind, Slot, RollFrom, RollTo, AgeFrom, AgeTo, ProcCode) VALUES
  ('N', 1, 0, 999, 3, 199, 'D0150'), ('N', 1, 0, 999, -9, 2, 'D0145'),
  ('N', 2, 0, 649, 18, 199, 'D0210'), ('N', 2, 650, 899, 7, 199, 'D0330'),
  ('N', 2, 0, 599, 4, 17, 'D0272'),
  ('N', 3, 0, 849, 15, 199, 'D1110'), ('N', 3, 0, 899, 2, 14, 'D1120'),
  ('N', 3, 850, 999, 30, 199, 'D4355'),
  ('N', 4, 0, 799, 1, 17, 'D1206'), ('N', 5, 0, 199, 10, 199, 'D0350'),
  ('H', 1, 0, 889, -9, 199, 'D0120'), ('H', 1, 890, 939, 30, 199, 'D0180'),
  ('H', 2, 0, 749, 15, 199, 'D1110'), ('H', 2, 750, 999, 15, 34, 'D1110'),
  ('H', 2, 750, 969, 35, 199, 'D4910'),
  ('H', 2, 0, 959, 2, 14, 'D1120'),
  ('H', 3, 0, 449, 15, 199, 'D0274'), ('H', 3, 0, 449, 5, 14, 'D0272'),
  ('H', 3, 950, 999, 20, 199, 'D0210'),
  ('H', 4, 0, 849, 1, 17, 'D1206'), ('H', 4, 0, 129, 18, 199, 'D1206'),
  ('H', 5, 0, 29, 40, 199, 'D4381'), ('H', 5, 0, 149, 6, 14, 'D1351'),
  ('H', 6, 0, 14, 18, 199, 'Z100'), ('H', 6, 15, 44, 30, 199, 'D0431'),
  ('H', 6, 45, 59, 18, 199, 'D9972'),
  ('H', 7, 0, 39, -9, 199, 'N4102'),
  ('E', 1, 0, 999, -9, 199, 'D0140'), ('E', 2, 0, 849, 4, 199, 'D0220'),
  ('E', 3, 0, 199, -9, 199, 'D9110'), ('E', 3, 200, 449, 18, 199, 'D7140'),
  ('E', 3, 450, 549, 18, 199, 'D3330'),
  ('E', 3, 550, 749, 6, 199, 'D2391'), ('E', 4, 0, 99, 10, 199, 'D0460'),
  ('T', 1, 0, 219, -9, 199, 'D2391'), ('T', 1, 220, 399, -9, 199, 'D2392'),
  ('T', 1, 400, 469, 10, 199, 'D2393'),
  ('T', 1, 470, 559, -9, 199, 'D2331'), ('T', 1, 560, 609, -9, 199, 'D2330'),
  ('T', 1, 610, 709, 20, 199, 'D2740'), ('T', 1, 710, 749, 20, 199, 'D2750'),
  ('T', 1, 610, 749, -9, 19, 'D2391'),
  ('T', 1, 750, 829, 30, 199, 'D4341'), ('T', 1, 750, 829, -9, 29, 'D2391'),
  ('T', 1, 830, 874, 6, 199, 'D7140'),
  ('T', 1, 875, 904, 18, 199, 'D3330'), ('T', 1, 905, 919, 18, 199, 'D3320'),
  ('T', 1, 920, 934, 18, 199, 'D3310'),
  ('T', 1, 875, 904, -9, 17, 'D3220'), ('T', 1, 905, 964, -9, 17, 'D2930'),
  ('T', 1, 965, 999, 8, 17, 'D8680'),
  ('T', 1, 935, 949, 18, 199, 'D2920'), ('T', 1, 950, 964, 18, 199, 'D9944'),
  ('T', 1, 965, 972, 60, 199, 'D5110'),
  ('T', 1, 973, 982, 50, 199, 'D5213'), ('T', 1, 983, 989, 30, 199, 'D6010'),
  ('T', 1, 990, 992, 30, 199, 'D6058'),
  ('T', 1, 993, 999, 18, 199, 'D7210'),
  ('T', 2, 0, 199, -9, 199, 'D2391'), ('T', 2, 200, 359, -9, 199, 'D2392'),
  ('T', 2, 360, 419, 20, 199, 'D2950'),
  ('T', 2, 420, 499, 30, 199, 'D4341'), ('T', 2, 500, 549, -9, 199, 'D9230'),
  ('T', 3, 0, 149, 6, 199, 'D0220'), ('T', 3, 150, 219, -9, 199, 'D9230'),
  ('T', 3, 220, 319, -9, 199, 'D2391'),
  ('X', 1, 0, 599, 14, 199, 'D2150'), ('X', 2, 0, 399, 20, 199, 'D2392'),
  ('X', 3, 0, 249, 35, 199, 'D2750'),
  ('X', 4, 0, 249, 18, 199, 'D7140'), ('X', 5, 0, 99, 40, 199, 'D3330'),
  ('W', 9, 0, 24, -9, 199, 'N4101');
UPDATE menu m JOIN codelist c ON c.ProcCode = m.ProcCode
   SET m.CodeNum = c.CodeNum, m.Price = c.Price, m.TreatArea = c.TreatArea;

CREATE TEMPORARY TABLE work (
  PatNum bigint, AptNum bigint DEFAULT 0, PlannedAptNum bigint DEFAULT 0, Slot int,
  Kind char(1) CHARACTER SET latin1,
  ProcStatus int, Day date, EnteredAt datetime, EditedAt datetime, DayPlanned date, ProvNum int,
  ClinicNum int, Age int, CodeNum int, Fee double, TreatArea int
) ENGINE=MyISAM;

-- Kept visits (2), and those still to come or to be rescheduled (1, 3).
INSERT INTO work
SELECT v.PatNum, v.AptNum, 0, m.Slot, v.Kind, IF(v.AptStatus = 2, 2, 1),
       IF(v.AptStatus = 2, v.Day, DATE(v.MadeAt)),
       IF(v.Kind = 'T', v.MadeAt, LEAST(v.StartsAt, v.MadeAt + INTERVAL 5 MINUTE)),
       IF(v.AptStatus = 2, v.StartsAt + INTERVAL 40 + dice(edited, v.AptNum, m.Slot) % 200 MINUTE,
          v.MadeAt + INTERVAL 6 MINUTE),
       IF(v.Kind = 'T', DATE(v.MadeAt), LEAST(v.Day, @today)),
       IF(c.IsHygiene AND v.Hygienist, v.Hygienist, v.ProvNum), v.ClinicNum, v.Age, m.CodeNum,
       m.Price, m.TreatArea
  FROM visit v
  JOIN menu m ON m.Kind = v.Kind AND v.Age BETWEEN m.AgeFrom AND m.AgeTo
   AND dice(proc, v.AptNum, m.Slot) % 1000 BETWEEN m.RollFrom AND m.RollTo
  JOIN procedurecode c ON c.CodeNum = m.CodeNum
 WHERE v.AptStatus IN (1, 2, 3);

-- Broken visits: charged now and then, and forgiven (deleted) once in a while.
INSERT INTO work
SELECT m.PatNum, 0, 0, 1 + m.Again, 'B', IF(dice(forgiven, m.AptNum, m.Again) % 25, 2, 6),
       DATE(m.OldStart), m.OldStart + INTERVAL 20 MINUTE, m.OldStart + INTERVAL 25 MINUTE,
       DATE(m.OldStart), m.ProvNum, m.ClinicNum, m.Age, c.CodeNum,
       IF(dice(charged, m.AptNum, m.Again) % 10 < 3, c.Price, 0), c.TreatArea
  FROM missed m JOIN codelist c ON c.ProcCode = m.ProcCode;
DROP TEMPORARY TABLE missed;

-- Planned visits, and findings of an exam that were never booked: still planned (1), removed (6),
-- referred out (5), or on an inactive plan (8).
INSERT INTO work
SELECT v.PatNum, 0, IF(v.Kind = 'P', v.AptNum, 0), m.Slot, 'P',
       CASE WHEN v.Kind = 'P' OR dice(fate, v.AptNum, m.Slot) % 100 < 66 THEN 1
            WHEN dice(fate, v.AptNum, m.Slot) % 100 < 90 THEN 6
            WHEN dice(fate, v.AptNum, m.Slot) % 100 < 95 THEN 5 ELSE 8 END,
       DATE(v.MadeAt), IF(v.Kind = 'P', v.MadeAt, v.StartsAt + INTERVAL 30 MINUTE),
       IF(v.Kind = 'P', v.MadeAt, v.StartsAt) + INTERVAL 45 + dice(edited2, v.AptNum,
           m.Slot) % 90 MINUTE,
       IF(v.Kind = 'P', DATE(v.MadeAt), v.Day), v.ProvNum, v.ClinicNum, v.Age, m.CodeNum, m.Price,
       m.TreatArea
  FROM visit v
  JOIN menu m ON m.Kind = 'T' AND v.Age BETWEEN m.AgeFrom AND m.AgeTo
   AND dice(found, v.AptNum, m.Slot) % 1000 BETWEEN m.RollFrom AND m.RollTo
 WHERE v.Kind = 'P'
  OR (v.Kind IN ('N', 'H') AND v.AptStatus = 2 AND dice(finds, v.AptNum) % 100 < 24);

-- Fillings and crowns from before: here (3), elsewhere (4); conditions to watch (7).
INSERT INTO work
SELECT v.PatNum, 0, 0, m.Slot, m.Kind, IF(m.Kind = 'W', 7, 3 + dice(where, v.AptNum, m.Slot) % 2),
       IF(dice(when, v.AptNum, m.Slot) % 3, '0001-01-01', v.Day - INTERVAL 4 YEAR),
       v.StartsAt + INTERVAL 15 MINUTE,
       v.StartsAt + INTERVAL 16 MINUTE, '0001-01-01', v.ProvNum, v.ClinicNum, v.Age, m.CodeNum, 0,
       m.TreatArea
  FROM visit v
  JOIN menu m ON m.Kind = IF(v.Kind = 'N', 'X', 'W') AND v.Age BETWEEN m.AgeFrom AND m.AgeTo
   AND dice(before, v.AptNum, m.Slot) % 1000 BETWEEN m.RollFrom AND m.RollTo
 WHERE v.Kind IN ('N', 'H') AND v.AptStatus = 2;

INSERT INTO procedurelog
  (ProcNum, PatNum, AptNum, OldCode, ProcDate, ProcFee, Surf, ToothNum, ToothRange, Priority,
   ProcStatus, ProvNum, Dx, PlannedAptNum, PlaceService, Prosthesis, DateOriginalProsth,
   ClaimNote, DateEntryC, ClinicNum, DiagnosticCode, CodeNum, CodeMod1, UnitQty, BaseUnits,
   DateTP, HideGraphics, ProcTime, ProcTimeEnd, DateTStamp, Prognosis, DrugQty, IsLocked,
   BillingNote, Discount, IcdVersion, IsCpoe, SecUserNumEntry, SecDateEntry, DateComplete,
   Urgency)
SELECT Place + Place DIV 60, PatNum, AptNum, '', Day, Fee,
       CASE TreatArea WHEN 1
        THEN ELT(1 + dice(surf, Place) % 8, 'O', 'MO', 'DO', 'MOD', 'B', 'L', 'OB', 'DOL')
                      WHEN 4 THEN ELT(1 + dice(surf, Place) % 4, 'UR', 'UL', 'LL', 'LR')
                      WHEN 6 THEN ELT(1 + dice(surf, Place) % 2, 'U', 'L') ELSE '' END,
       CASE WHEN TreatArea NOT IN (1, 2) THEN ''
            WHEN Age < 11 THEN CHAR(65 + dice(tooth, Place) % 20 USING utf8mb3)
            ELSE 1 + dice(tooth, Place) % 32 END,
       IF(CodeNum % 50 = 0, '1-8,17', ''),
       IF(ProcStatus = 1, ELT(1 + dice(prio, Place) % 4, 0, 2001, 2002, 2003), 0),
       ProcStatus, ProvNum,
       IF(TreatArea IN (1, 2), ELT(1 + dice(dx, Place) % 4, 0, 1601, 1602, 1603), 0),
       PlannedAptNum, 0, IF(Fee > 1200, IF(Place % 3, 'I', 'R'), ''),
       IF(Fee > 1200 AND Place % 3 = 0, Day - INTERVAL 9 YEAR, '0001-01-01'),
       CASE dice(claimnote, Place) % 60 WHEN 0 THEN 'See film;\ttooth broke' WHEN 1
        THEN 'N/A \\ "none"' ELSE '' END,
       DATE(IF(ProcStatus = 2, EditedAt, EnteredAt)), ClinicNum,
       IF(TreatArea = 1 AND Place % 9 = 0, 'X12.3', ''), CodeNum,
       IF(Place % 700, NULL, '59'), 1, 0, DayPlanned, dice(hidden, Place) % 90 = 0,
       IF(ProcStatus = 2 AND AptNum, TIME(EditedAt) - INTERVAL 30 MINUTE, '00:00:00'), '00:00:00',
       EditedAt, ELT(1 + dice(prognosis, Place) % 6, 0, 0, 0, 0, 3001, 3002),
       IF(Place % 500, 0, 1.8),
       ProcStatus = 2 AND dice(lockedproc, Place) % 30 = 0,
       CASE dice(billnote, Place) % 80
         WHEN 0 THEN 'Part of "package"\r\nsecond line' WHEN 1 THEN '\\N' WHEN 2 THEN 'NULL'
         WHEN 3 THEN 'trailing  ' WHEN 4 THEN 'naïve Ω ж' ELSE '' END,
       IF(ProcStatus = 1 AND Place % 45 = 0, ROUND(Fee * 0.1, 2), 0), 10, 0,
       1 + dice(procuser, Place) % 22, EnteredAt,
       IF(ProcStatus = 2, Day, '0001-01-01'), Place % 300 = 0
  FROM (SELECT w.*,
        ROW_NUMBER() OVER (ORDER BY EnteredAt, PatNum, AptNum, PlannedAptNum, Kind, Slot,
                           CodeNum) AS Place
          FROM work w) AS w;
DROP TEMPORARY TABLE work;

-- Clinical notes; one in twelve was written anew later.
INSERT INTO procnote
  (ProcNoteNum, PatNum, ProcNum, EntryDateTime, UserNum, Note, SigIsTopaz, Signature)
SELECT ROW_NUMBER() OVER (ORDER BY p.DateTStamp + INTERVAL k.seq DAY, p.ProcNum, k.seq), p.PatNum,
       p.ProcNum,
       p.DateTStamp + INTERVAL k.seq DAY, 14 + p.ProvNum % 9,
       CONCAT(ELT(1 + dice(pnote, p.ProcNum) % 5, 'Reviewed history. ', 'No changes.\r\n',
                  'Patient says "fine".\n',
                  'Anaesthetic: 1.8 ml\t1 carpule. ', ''), c.Descript, '.',
              ELT(1 + dice(pnote2, p.ProcNum, k.seq) % 4, ' Tolerated well.', ' Next: see plan.',
                  ' Sensitivity: cold +, path C:\\films\\new', ' Température 36,8 °C.')),
       0, IF(dice(signed, p.ProcNum, k.seq) % 3, '', MD5(p.ProcNum))
  FROM procedurelog p JOIN procedurecode c ON c.CodeNum = p.CodeNum JOIN seq_0_to_1 k
 WHERE p.ProcStatus = 2 AND p.AptNum > 0
  AND dice(hasnote, p.ProcNum, k.seq) % 100 < IF(k.seq = 0, 62, 5);

-- A group note covers the other procedures of its visit.
INSERT INTO procgroupitem (ProcGroupItemNum, ProcNum, GroupNum)
SELECT ROW_NUMBER() OVER (ORDER BY g.ProcNum, p.ProcNum), p.ProcNum, g.ProcNum
  FROM procedurelog g JOIN procedurecode c ON c.CodeNum = g.CodeNum AND c.ProcCode = 'N4102'
  JOIN procedurelog p ON p.AptNum = g.AptNum AND p.ProcNum <> g.ProcNum WHERE g.AptNum > 0;

-- Crowns and dentures take two visits: the first is in process until the second.
INSERT INTO procmultivisit
  (ProcMultiVisitNum, GroupProcMultiVisitNum, ProcNum, ProcStatus, IsInProcess, SecDateTEntry,
   SecDateTEdit, PatNum)
SELECT ROW_NUMBER() OVER (ORDER BY p.ProcNum), ROW_NUMBER() OVER (ORDER BY p.ProcNum), p.ProcNum,
       p.ProcStatus,
       p.ProcDate > @today - INTERVAL 21 DAY, p.SecDateEntry, p.DateTStamp, p.PatNum
  FROM procedurelog p JOIN procedurecode c ON c.CodeNum = p.CodeNum
 WHERE c.IsMultiVisit AND p.ProcStatus = 2;

-- Treatment plans: an active one (1) for everybody with planned work, saved ones (0) that were
-- presented, inactive (2).
INSERT INTO treatplan
  (TreatPlanNum, PatNum, DateTP, Heading, Note, Signature, ResponsParty, TPStatus,
   SecUserNumEntry, SecDateEntry, SecDateTEdit, UserNumPresenter, SignaturePractice, DateTSigned,
   SignatureText)
SELECT ROW_NUMBER() OVER (ORDER BY PatNum, TPStatus DESC), PatNum,
       IF(TPStatus = 0, DateTP, '0001-01-01'),
       ELT(1 + TPStatus, 'Proposed treatment', 'Active plan', 'Other plan'),
       IF(TPStatus, '', 'Fees may change.\r\n"Estimates" only.'), '', 0, TPStatus, 14, DateTP,
       LEAST(LastEdit, DateTP + INTERVAL 3 DAY + INTERVAL 16 HOUR), IF(TPStatus, 0, 14), '',
       IF(TPStatus = 0 AND PatNum % 2, DateTP + INTERVAL 10 HOUR, '0001-01-01'),
       IF(TPStatus = 0 AND PatNum % 2, 'J. Doe', '')
  FROM (SELECT p.PatNum, MAX(p.DateTP) AS DateTP, MAX(p.DateTStamp) AS LastEdit, 1 AS TPStatus
          FROM procedurelog p WHERE p.ProcStatus = 1 GROUP BY p.PatNum
        UNION ALL
        SELECT p.PatNum, MIN(p.DateTP), MAX(p.DateTStamp), 0
          FROM procedurelog p WHERE p.ProcStatus = 1 AND dice(presented, p.PatNum) % 100 < 40
           GROUP BY p.PatNum
        UNION ALL
        SELECT p.PatNum, MIN(p.DateTP), MAX(p.DateTStamp), 2
          FROM procedurelog p WHERE p.ProcStatus = 8 GROUP BY p.PatNum) AS plans;

INSERT INTO treatplanattach (TreatPlanAttachNum, TreatPlanNum, ProcNum, Priority)
SELECT ROW_NUMBER() OVER (ORDER BY t.TreatPlanNum, p.ProcNum), t.TreatPlanNum, p.ProcNum, p.Priority
  FROM treatplan t JOIN procedurelog p ON p.PatNum = t.PatNum
   AND p.ProcStatus = IF(t.TPStatus = 1, 1, 8)
 WHERE t.TPStatus IN (1, 2);

INSERT INTO proctp
  (ProcTPNum, TreatPlanNum, PatNum, ProcNumOrig, ItemOrder, Priority, ToothNumTP, Surf, ProcCode,
   Descript, FeeAmt, PriInsAmt, PatAmt, Discount, ProcAbbr, SecUserNumEntry, SecDateEntry,
   SecDateTEdit, FeeAllowed, ProvNum, DateTP, ClinicNum, CatPercUCR)
SELECT ROW_NUMBER() OVER (ORDER BY t.TreatPlanNum, p.ProcNum), t.TreatPlanNum, p.PatNum, p.ProcNum,
       ROW_NUMBER() OVER (PARTITION BY t.TreatPlanNum ORDER BY p.ProcNum), p.Priority, p.ToothNum,
       p.Surf, c.ProcCode,
       c.Descript, p.ProcFee, ROUND(p.ProcFee / 3, 2), p.ProcFee - ROUND(p.ProcFee / 3, 2),
       p.Discount, c.AbbrDesc, 14,
       t.DateTP, t.SecDateTEdit, p.ProcFee, p.ProvNum, t.DateTP, p.ClinicNum, p.ProcFee / 3
  FROM treatplan t JOIN procedurelog p ON p.PatNum = t.PatNum AND p.ProcStatus = 1
  JOIN procedurecode c ON c.CodeNum = p.CodeNum
 WHERE t.TPStatus = 0;

INSERT INTO treatplanparam
  (TreatPlanParamNum, PatNum, TreatPlanNum, ShowDiscount, ShowMaxDed, ShowSubTotals, ShowTotals,
   ShowCompleted, ShowFees, ShowIns)
SELECT ROW_NUMBER() OVER (ORDER BY TreatPlanNum), PatNum, TreatPlanNum, 1, 1, 0, 1, 0, 1, PatNum % 2
  FROM treatplan WHERE TPStatus = 0 AND TreatPlanNum % 7 = 0;
