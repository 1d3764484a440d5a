-- The clinical side of a chart besides procedures.

-- One gum exam a year for grown-ups; sixteen rows each, -1 where nothing was measured.
INSERT INTO perioexam (PerioExamNum, PatNum, ExamDate, ProvNum, DateTMeasureEdit, Note)
SELECT ROW_NUMBER() OVER (ORDER BY AptNum), PatNum, Day, Hygienist, StartsAt + INTERVAL 25 MINUTE,
       ELT(1 + AptNum % 4, '', '', 'Bleeding\tup', 'Stable, "good" care')
  FROM visit
 WHERE AptStatus = 2 AND Kind IN ('N', 'H') AND Age > 20 AND dice(perio, AptNum) % 100 < 17;

-- SequenceType: 0 mobility, 1 furcation, 2 recession, 4 probing, 5 skipped tooth, 6 bleeding.
INSERT INTO periomeasure
  (PerioMeasureNum, PerioExamNum, SequenceType, IntTooth, ToothValue, MBvalue, Bvalue, DBvalue,
   MLvalue, Lvalue, DLvalue, SecDateTEntry, SecDateTEdit)
SELECT (e.PerioExamNum - 1) * 16 + k.seq, e.PerioExamNum, ELT(1 + k.seq % 4, 4, 4, 6, 2),
       1 + (k.seq * 5 + e.PerioExamNum) % 32,
       -1, 1 + dice(mb, e.PerioExamNum, k.seq) % 6, 1 + dice(bb, e.PerioExamNum, k.seq) % 4,
       1 + dice(db, e.PerioExamNum, k.seq) % 6,
       1 + dice(ml, e.PerioExamNum, k.seq) % 6,
       IF(k.seq % 8, 1 + dice(ll, e.PerioExamNum, k.seq) % 4, -1),
       1 + dice(dl, e.PerioExamNum, k.seq) % 7, e.DateTMeasureEdit, e.DateTMeasureEdit
  FROM perioexam e JOIN seq_1_to_16 k;

-- InitialType: 0 missing, 1 hidden, 2 primary, 3 to 8 moved (Movement in mm), 9 drawing, 10 text.
INSERT INTO toothinitial
  (ToothInitialNum, PatNum, ToothNum, InitialType, Movement, DrawingSegment, ColorDraw,
   SecDateTEntry, SecDateTEdit, DrawText)
SELECT ROW_NUMBER() OVER (ORDER BY p.PatNum, k.seq), p.PatNum,
       IF(dice(initial, p.PatNum, k.seq) % 20 = 9, '', ELT(1 + k.seq % 4, 1, 16, 17, 32)),
       IF(dice(initial, p.PatNum, k.seq) % 20 BETWEEN 3 AND 9, dice(initial, p.PatNum, k.seq) % 20,
          0),
       IF(dice(initial, p.PatNum, k.seq) % 20 BETWEEN 3 AND 8,
          dice(mm, p.PatNum, k.seq) % 50 / 7 - 3, 0),
       IF(dice(initial, p.PatNum, k.seq) % 20 = 9, '10,10;12.5,11;13,40', NULL),
       IF(dice(initial, p.PatNum, k.seq) % 20 = 9, -65536, 0),
       p.FirstHere + INTERVAL 10 HOUR, p.FirstHere + INTERVAL 10 HOUR, ''
  FROM person p JOIN seq_1_to_6 k WHERE dice(hasinitial, p.PatNum, k.seq) % 100 < p.Age;

INSERT INTO rxpat
  (RxNum, PatNum, RxDate, Drug, Sig, Disp, Refills, ProvNum, Notes, PharmacyNum, IsControlled,
   DateTStamp, SendStatus, RxCui, DosageCode, ErxGuid, ErxPharmacyInfo, ProcNum, DaysOfSupply,
   PatientInstruction, ClinicNum, UserNum, RxType)
SELECT ROW_NUMBER() OVER (ORDER BY v.AptNum), v.PatNum, v.Day, d.Drug, d.Sig, d.Disp, d.Refills,
       v.ProvNum,
       IF(v.AptNum % 5, '', 'Ask: "other drugs?"'), v.AptNum % 9, d.IsControlled,
       v.StartsAt + INTERVAL 45 MINUTE, v.AptNum % 4, d.RxCui, '',
       '', '', 0, CASE v.AptNum % 3 WHEN 0 THEN NULL WHEN 1 THEN 7 ELSE 10 / 3 END,
       d.PatientInstruction, v.ClinicNum, 14, 0
  FROM visit v JOIN rxdef d ON d.RxDefNum = 1 + dice(drug, v.AptNum) % 20
 WHERE v.AptStatus = 2 AND v.Kind IN ('T', 'E') AND dice(rx, v.AptNum) % 100 < 24;

INSERT INTO labcase
  (LabCaseNum, PatNum, LaboratoryNum, AptNum, PlannedAptNum, DateTimeDue, DateTimeCreated,
   DateTimeSent, DateTimeRecd, DateTimeChecked, ProvNum, Instructions, LabFee, DateTStamp,
   InvoiceNum)
SELECT ROW_NUMBER() OVER (ORDER BY p.ProcDate, p.ProcNum), p.PatNum, 1 + p.ProcNum % 4, p.AptNum, 0,
       p.ProcDate + INTERVAL 14 * 24 + 9 HOUR,
       p.ProcDate + INTERVAL 12 HOUR, p.ProcDate + INTERVAL 17 HOUR,
       IF(p.ProcDate < @today - INTERVAL 12 DAY, p.ProcDate + INTERVAL 11 * 24 + 10 HOUR,
          '0001-01-01'),
       IF(p.ProcDate < @today - INTERVAL 14 DAY, p.ProcDate + INTERVAL 13 * 24 + 9 HOUR,
          '0001-01-01'), p.ProvNum,
       ELT(1 + p.ProcNum % 3, 'Shade A2\r\nlight contacts', NULL, 'Shade "B1", photo D:\\lab'),
       89 + p.ProcNum % 100 / 3,
       LEAST(@today, p.ProcDate + INTERVAL 13 DAY) + INTERVAL 9 HOUR,
       IF(p.ProcNum % 3, CONCAT('L-', p.ProcNum), '')
  FROM procedurelog p JOIN codelist c ON c.CodeNum = p.CodeNum AND c.ProcCat IN (1106, 1107)
   AND c.Price > 300
 WHERE p.ProcStatus = 2;

-- RefType: 0 sent away, 1 came from, 2 other.
INSERT INTO refattach
  (RefAttachNum, ReferralNum, PatNum, ItemOrder, RefDate, RefType, RefToStatus, Note,
   IsTransitionOfCare, ProcNum, DateProcComplete, ProvNum, DateTStamp)
SELECT ROW_NUMBER() OVER (ORDER BY PatNum, RefType, ProcNum), ReferralNum, PatNum, RefType, RefDate,
       RefType, IF(RefType, 0, PatNum % 6),
       IF(PatNum % 3, '', NULL), 0, ProcNum,
       IF(RefType = 0 AND PatNum % 2, RefDate + INTERVAL 40 DAY, '0001-01-01'),
       ProvNum, RefDate + INTERVAL 11 HOUR
  FROM (SELECT PatNum, 21 + dice(source, PatNum) % 5 AS ReferralNum, FirstHere AS RefDate,
        1 AS RefType, 0 AS ProcNum, 0 AS ProvNum
          FROM person WHERE dice(came, PatNum) % 100 < 45
        UNION ALL
        SELECT PatNum, 1 + dice(sentto, ProcNum) % 20, DateTP, 0, ProcNum, ProvNum FROM procedurelog
               WHERE ProcStatus = 5) AS r;

-- When a kind of visit is due. DateDueCalc comes from the last such visit, DateDue may be edited.
INSERT INTO recall
  (RecallNum, PatNum, DateDueCalc, DateDue, DatePrevious, RecallInterval, RecallStatus, Note,
   IsDisabled, DateTStamp, RecallTypeNum, DisableUntilBalance, DisableUntilDate, DateScheduled,
   Priority, TimePatternOverride)
SELECT ROW_NUMBER() OVER (ORDER BY p.PatNum, t.RecallTypeNum), p.PatNum,
       IFNULL(last.Day + INTERVAL IF(t.RecallTypeNum <= 3, p.IntervalDays, 365) DAY, '0001-01-01'),
       IF(dice(dueedit, p.PatNum) % 30,
          IFNULL(last.Day + INTERVAL IF(t.RecallTypeNum <= 3, p.IntervalDays, 365) DAY,
                 '0001-01-01'),
          @today + INTERVAL p.PatNum % 90 DAY),
       IFNULL(last.Day, '0001-01-01'),
       IF(p.IntervalDays < 150 AND t.RecallTypeNum <= 3, 196608, t.DefaultInterval),
       IF(dice(reminded, p.PatNum) % 4, 0, 1301 + dice(reminded, p.PatNum) % 3),
       ELT(1 + dice(recallnote, p.PatNum) % 6, NULL, '', '', '', 'After school only',
           'Rang, no answer\nrang again'),
       p.Status <> 0, LEAST(@today, IFNULL(last.Day, p.Since)) + INTERVAL 18 HOUR, t.RecallTypeNum,
       0, '0001-01-01',
       IF(t.RecallTypeNum <= 3, IFNULL(next.Day, '0001-01-01'), '0001-01-01'), p.PatNum % 200 = 0,
       ''
  FROM person p
  JOIN recalltype t ON t.RecallTypeNum = CASE WHEN p.Age < 15 THEN 2 WHEN p.IntervalDays < 150
   THEN 3 ELSE 1 END
                    OR (t.RecallTypeNum = 4 AND p.Age >= 12)
  LEFT JOIN (SELECT PatNum, MAX(Day) AS Day FROM visit WHERE AptStatus = 2 AND Kind IN ('N', 'H')
             GROUP BY PatNum) AS last
         ON last.PatNum = p.PatNum
  LEFT JOIN (SELECT PatNum, MIN(Day) AS Day FROM visit WHERE AptStatus = 1 AND Kind IN ('N', 'H')
             GROUP BY PatNum) AS next
         ON next.PatNum = p.PatNum
 WHERE p.Status IN (0, 2, 3, 5);

-- Films and letters. DegreesRotated is a float with awkward fractions.
INSERT INTO document
  (DocNum, Description, DateCreated, DocCategory, PatNum, FileName, ImgType, DegreesRotated,
   ToothNumbers, Note, Signature, CropW, CropH, WindowingMax, DateTStamp, RawBase64, Thumbnail,
   ExternalGUID, ExternalSource, ProvNum, OcrResponseData, PrintHeading)
SELECT ROW_NUMBER() OVER (ORDER BY v.AptNum, k.seq),
       ELT(1 + dice(doc, v.AptNum, k.seq) % 5, 'Bite film', 'Panorama', '', 'Letter "A/B"',
           'Röntgen'),
       v.StartsAt + INTERVAL 10 + k.seq MINUTE,
       ELT(1 + dice(doc, v.AptNum, k.seq) % 5, 1801, 1801, 1803, 1802, 1801), v.PatNum,
       CONCAT('p', v.PatNum, '_', v.AptNum, '_', k.seq, '.jpg'), 1 + dice(doc, v.AptNum, k.seq) % 4,
       IF(dice(turn, v.AptNum, k.seq) % 9, 0, dice(turn2, v.AptNum, k.seq) % 3600 / 7),
       IF(k.seq = 1, '', '2,3,4'), IF(v.AptNum % 40, '', 'Retake?\tblurred'),
       NULL, 0, 0, 255, v.StartsAt + INTERVAL 12 + k.seq MINUTE, '', '', '', '', v.ProvNum, '', 0
  FROM visit v JOIN seq_1_to_4 k
 WHERE v.AptStatus = 2
  AND dice(hasdoc, v.AptNum, k.seq) % 100 < ELT(LOCATE(v.Kind, 'NHTE'), 90, 22, 10, 40);

-- Forms that patients filled in: one sheet with twelve fields for most, renewed after two years.
INSERT INTO sheet
  (SheetNum, SheetType, PatNum, DateTimeSheet, FontSize, FontName, Width, Height, InternalNote,
   Description, IsMultiPage, SheetDefNum, ClinicNum, DateTSheetEdited, RevID)
SELECT ROW_NUMBER() OVER (ORDER BY FilledOn, PatNum), 8 + PatNum % 3, PatNum,
       FilledOn + INTERVAL 9 HOUR, 8.25 + PatNum % 3 / 10, 'Arial', 850, 1100,
       IF(PatNum % 6, '', NULL), ELT(1 + PatNum % 3, 'Medical history', 'Consent', 'Patient form'),
       1, 1 + PatNum % 3, ClinicNum,
       FilledOn + INTERVAL 9 * 60 + 20 MINUTE, PatNum % 2
  FROM (SELECT p.PatNum, p.ClinicNum, p.FirstHere + INTERVAL 730 * k.seq DAY AS FilledOn, p.LastHere
        FROM person p JOIN seq_0_to_1 k
         WHERE p.LastHere > '0001-01-01' AND dice(form, p.PatNum, k.seq) % 100 < 85) AS f
 WHERE FilledOn <= LEAST(LastHere, @today);

INSERT INTO sheetfield
  (SheetFieldNum, SheetNum, FieldType, FieldName, FieldValue, FontSize, FontName, FontIsBold,
   XPos, YPos, Width, Height, RadioButtonValue, RadioButtonGroup, IsRequired, TabOrder,
   ReportableName, ItemColor, UiLabelMobile, UiLabelMobileRadioButton, SheetFieldDefNum)
SELECT (s.SheetNum - 1) * 12 + k.seq, s.SheetNum, ELT(1 + k.seq % 4, 0, 1, 2, 8),
       CONCAT('field', k.seq),
       CASE k.seq % 4 WHEN 2 THEN CONCAT('Question ', k.seq, '?') WHEN 3
        THEN IF(dice(answer1, s.SheetNum, k.seq) % 3, '', 'X')
            ELSE ELT(1 + dice(answer2, s.SheetNum, k.seq) % 9, '', 'no', 'yes', NULL, 'see "list"',
                     'a\tb', '  blanks  ', 'Ω ≠ ñ', 'C:\\temp') END,
       8.25, 'Arial', k.seq % 4 = 2, 20 + 40 * (k.seq % 9), 30 * k.seq, 120, 15, '', '',
       k.seq % 5 = 0, k.seq, IF(k.seq % 2, '', NULL),
       -16777216, '', '', k.seq
  FROM sheet s JOIN seq_1_to_12 k;
