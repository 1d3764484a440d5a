-- One working day, @day, in the order in which it goes. Keys go on where the tables end; what is
-- picked follows from the seed and the day. SET timestamp moves the clock that stamps edits.

SET @patients = (SELECT MAX(PatNum) FROM patient), @procs = (SELECT MAX(ProcNum) FROM procedurelog),
    @visits = (SELECT MAX(AptNum) FROM appointment), @calls = (SELECT MAX(CommlogNum) FROM commlog),
    @payments = (SELECT MAX(PayNum) FROM payment), @splits = (SELECT MAX(SplitNum) FROM paysplit),
    @claims = (SELECT MAX(ClaimNum) FROM claim), @lines = (SELECT MAX(ClaimProcNum) FROM claimproc),
    @checks = (SELECT MAX(ClaimPaymentNum) FROM claimpayment),
    @log = (SELECT MAX(SecurityLogNum) FROM securitylog);

-- Eight o'clock: three new patients call and get a visit in the coming days.
SET timestamp = UNIX_TIMESTAMP(@day + INTERVAL 480 MINUTE);

INSERT INTO patient
  (PatNum, LName, FName, PatStatus, Gender, Position, Birthdate, Address, City, State, Zip,
   HmPhone, WirelessPhone, Guarantor, Email, PriProv, SecProv, BillingType, AddrNote, SchoolName,
   DateFirstVisit, ClinicNum, SmokingSnoMed, Country, SecUserNumEntry, SecDateEntry, SecurityHash)
SELECT @patients + seq,
       CONCAT(ELT(1 + dice(newname, @day) % 6, 'Bram', 'Vel', 'Tor', 'Ørn', 'Śla', 'Λυκ'), 'wick'),
       ELT(seq, 'Nia', 'Oz', 'Pál'), 0, seq % 2, 0,
       @day - INTERVAL 20 * seq YEAR - INTERVAL dice(newage, @day, seq) % 3000 DAY,
       '1 "New" Street', 'Lindenmere', 'ZZ', '00101', '(555)555-0199', '', @patients + 1,
       CONCAT('patient', @patients + seq, '@example.com'),
       1 + seq, 5 + seq, 401, IF(seq = 2, NULL, 'via\tphone\r\n'), '', @day + INTERVAL 2 DAY, 1, '',
       '', 2, @day, ''
  FROM seq_1_to_3;
INSERT INTO patientnote
  (PatNum, Medical, ICEName, ICEPhone, SecDateTEntry, Consent, UserNumOrthoLocked, Pronoun)
SELECT @patients + seq, NULL, '', '', @day + INTERVAL 8 HOUR, 0, 0, 0 FROM seq_1_to_3;

INSERT INTO appointment
  (AptNum, PatNum, AptStatus, Pattern, Confirmed, Op, Note, ProvNum, ProvHyg, AptDateTime,
   IsNewPatient, ProcDescript, ClinicNum, IsHygiene, DateTimeArrived, DateTimeSeated,
   DateTimeDismissed, ProcsColored, AppointmentTypeNum, SecUserNumEntry, SecDateTEntry)
SELECT @visits + seq, @patients + seq, 1, '//XXXXXXXX//', 201, 2 * seq - 1, NULL, 1 + seq, 5 + seq,
       Day + INTERVAL 540 + 60 * seq MINUTE, 1,
       'FullEx, Clean', 1, 1, Day, Day, Day, '', 1, 2, @day + INTERVAL 8 HOUR
  FROM (SELECT seq, @day + INTERVAL IF(DAYOFWEEK(@day) >= 5, 5, 2) DAY AS Day FROM seq_1_to_3) AS s;
INSERT INTO procedurelog
  (ProcNum, PatNum, AptNum, ProcDate, ProcFee, ProcStatus, ProvNum, DateEntryC, ClinicNum,
   CodeNum, UnitQty, DateTP, SecUserNumEntry, SecDateEntry)
SELECT @procs + ROW_NUMBER() OVER (ORDER BY s.seq, c.CodeNum), @patients + s.seq, @visits + s.seq,
       @day, f.Amount, 1, 1 + s.seq, @day, 1,
       c.CodeNum, 1, @day, 2, @day + INTERVAL 8 HOUR
  FROM seq_1_to_3 s
  JOIN procedurecode c ON c.ProcCode IN ('D0150', 'D1110')
  JOIN fee f ON f.CodeNum = c.CodeNum AND f.FeeSched = 1 AND f.ClinicNum = 0 AND f.ProvNum = 0;

-- Noon: visits up to today are kept, or missed; their procedures are done.
SET timestamp = UNIX_TIMESTAMP(@day + INTERVAL 720 MINUTE);

CREATE TEMPORARY TABLE kept ENGINE=MyISAM
SELECT AptNum, PatNum, ProvNum, ClinicNum, dice(kept, AptNum) % 100 < 92 AS IsKept
  FROM appointment WHERE AptStatus = 1 AND AptDateTime < @day + INTERVAL 1 DAY;
ALTER TABLE kept ADD PRIMARY KEY (AptNum);

UPDATE appointment a JOIN kept k ON k.AptNum = a.AptNum
   SET a.AptStatus = IF(k.IsKept, 2, 5), a.Confirmed = 204,
       a.DateTimeArrived = IF(k.IsKept, a.AptDateTime, a.DateTimeArrived),
       a.DateTimeSeated = IF(k.IsKept, a.AptDateTime + INTERVAL 5 MINUTE, a.DateTimeSeated),
       a.DateTimeDismissed = IF(k.IsKept, a.AptDateTime + INTERVAL 55 MINUTE, a.DateTimeDismissed);
UPDATE procedurelog p JOIN kept k ON k.AptNum = p.AptNum AND k.IsKept
   SET p.ProcStatus = 2, p.ProcDate = @day, p.DateComplete = @day, p.DateEntryC = @day,
       p.ProcTime = '11:40:00'
 WHERE p.ProcStatus = 1;

CREATE TEMPORARY TABLE done ENGINE=MyISAM
SELECT p.ProcNum, p.PatNum, g.Guarantor, p.AptNum, p.ProvNum, p.ClinicNum, p.CodeNum,
       ROUND(p.ProcFee * (p.UnitQty + p.BaseUnits), 2) AS ProcFee
  FROM procedurelog p JOIN kept k ON k.AptNum = p.AptNum AND k.IsKept JOIN patient g
   ON g.PatNum = p.PatNum
 WHERE p.ProcStatus = 2;
ALTER TABLE done ADD PRIMARY KEY (ProcNum);

INSERT INTO procnote
  (ProcNoteNum, PatNum, ProcNum, EntryDateTime, UserNum, Note, SigIsTopaz, Signature)
SELECT (SELECT MAX(ProcNoteNum) FROM procnote) + ROW_NUMBER() OVER (ORDER BY ProcNum), PatNum,
       ProcNum, @day + INTERVAL 12 HOUR, 14,
       'Went well.\r\nNext: "six months"\t\\', 0, '' FROM done WHERE ProcNum % 2;

-- Estimates of insured procedures become lines of new claims, in place.
CREATE TEMPORARY TABLE filed ENGINE=MyISAM
SELECT e.ClaimProcNum, d.ProcNum, d.PatNum, d.AptNum, e.PlanNum, e.InsSubNum, d.ProvNum,
       d.ClinicNum, d.ProcFee,
       IF(e.InsEstTotalOverride <> -1, e.InsEstTotalOverride, e.InsPayEst) AS InsPayEst,
       IF(e.WriteOffEstOverride <> -1, e.WriteOffEstOverride, GREATEST(e.WriteOffEst, 0))
         AS WriteOff,
       @claims + DENSE_RANK() OVER (ORDER BY d.AptNum) AS ClaimNum
  FROM done d JOIN claimproc e ON e.ProcNum = d.ProcNum AND e.Status = 6 AND e.ClaimNum = 0;
INSERT INTO claim
  (ClaimNum, PatNum, DateService, DateSent, ClaimStatus, PlanNum, ProvTreat, ClaimFee, InsPayEst,
   ClaimType, ProvBill, ClinicNum, InsSubNum, SecUserNumEntry, SecDateEntry, DateSentOrig,
   Narrative)
SELECT ClaimNum, MIN(PatNum), @day, @day, 'S', MIN(PlanNum), MIN(ProvNum), ROUND(SUM(ProcFee), 2),
       ROUND(SUM(InsPayEst), 2), 'P', 10,
       MIN(ClinicNum), MIN(InsSubNum), 10, @day, @day, '' FROM filed GROUP BY ClaimNum;
UPDATE claimproc c JOIN filed f ON f.ClaimProcNum = c.ClaimProcNum
   SET c.Status = 0, c.ClaimNum = f.ClaimNum, c.FeeBilled = f.ProcFee, c.ProcDate = @day,
       c.DateCP = @day, c.InsPayEst = f.InsPayEst, c.WriteOff = f.WriteOff;

-- Two families in three pay their share on the way out.
CREATE TEMPORARY TABLE paid ENGINE=MyISAM
SELECT d.ProcNum, d.PatNum, d.Guarantor, d.ProvNum, d.ClinicNum,
       ROUND(d.ProcFee - IFNULL(f.InsPayEst + f.WriteOff, 0), 2) AS Amount,
       DENSE_RANK() OVER (ORDER BY d.Guarantor) AS Place
  FROM done d LEFT JOIN filed f ON f.ProcNum = d.ProcNum
 WHERE d.ProcFee - IFNULL(f.InsPayEst + f.WriteOff, 0) > 0.005
  AND dice(pays, @day, d.Guarantor) % 3 > 0;
INSERT INTO paysplit
  (SplitNum, SplitAmt, PatNum, ProcDate, PayNum, ProvNum, DatePay, ProcNum, DateEntry, ClinicNum,
   SecUserNumEntry, SecurityHash)
SELECT @splits + ROW_NUMBER() OVER (ORDER BY ProcNum), Amount, PatNum, @day, @payments + Place,
       ProvNum, @day, ProcNum, @day, ClinicNum, 2, ''
  FROM paid;
INSERT INTO payment
  (PayNum, PayType, PayDate, PayAmt, PayNote, IsSplit, PatNum, ClinicNum, DateEntry, Receipt,
   SecUserNumEntry, ExternalId)
SELECT @payments + Place, 1003, @day, ROUND(SUM(Amount), 2), '', COUNT(*) > 1, MIN(Guarantor),
       MIN(ClinicNum), @day, 'APPROVED\r\n', 2, ''
  FROM paid GROUP BY Place;

-- Three o'clock: the post brings answers to the twelve oldest claims that were sent ten days ago or
-- earlier; one in eight gets none for now, and one line in twelve is denied.
SET timestamp = UNIX_TIMESTAMP(@day + INTERVAL 900 MINUTE);

CREATE TEMPORARY TABLE answered ENGINE=MyISAM
SELECT c.ClaimNum, i.CarrierNum,
       @checks + DENSE_RANK() OVER (ORDER BY i.CarrierNum) AS ClaimPaymentNum
  FROM (SELECT ClaimNum, PlanNum FROM claim WHERE ClaimStatus IN ('S', 'P') AND ClaimType = 'P'
        AND DateSentOrig BETWEEN '1900-01-02' AND @day - INTERVAL 10 DAY
        AND dice(unanswered, ClaimNum) % 8
         ORDER BY DateService, ClaimNum LIMIT 12) AS c
  JOIN insplan i ON i.PlanNum = c.PlanNum;
ALTER TABLE answered ADD PRIMARY KEY (ClaimNum);
UPDATE claimproc c JOIN answered a ON a.ClaimNum = c.ClaimNum
   SET c.Status = 1, c.InsPayAmt = IF(dice(denies, c.ProcNum) % 12, c.InsPayEst, 0),
       c.DedApplied = GREATEST(c.DedEst, 0),
       c.ClaimAdjReasonCodes = IF(dice(denies, c.ProcNum) % 12, '', 'CO-96'),
       c.DateCP = @day, c.DateEntry = @day,
       c.ClaimPaymentNum = a.ClaimPaymentNum, c.DateInsFinalized = @day
 WHERE c.Status = 0;
INSERT INTO claimpayment
  (ClaimPaymentNum, CheckDate, CheckAmt, CheckNum, CarrierName, DateIssued, PayType,
   SecUserNumEntry, SecDateEntry)
SELECT a.ClaimPaymentNum, @day, ROUND(SUM(c.InsPayAmt), 2), '', MIN(r.CarrierName),
       @day - INTERVAL 4 DAY, 3202, 10, @day
  FROM answered a JOIN claimproc c ON c.ClaimPaymentNum = a.ClaimPaymentNum JOIN carrier r
   ON r.CarrierNum = a.CarrierNum
 WHERE c.ClaimNum = a.ClaimNum GROUP BY a.ClaimPaymentNum;
UPDATE claim c JOIN answered a ON a.ClaimNum = c.ClaimNum
  JOIN (SELECT p.ClaimNum, ROUND(SUM(p.InsPayAmt), 2) AS Paid, ROUND(SUM(p.WriteOff), 2) AS WriteOff,
               SUM(p.DedApplied) AS DedApplied
          FROM claimproc p JOIN answered x ON x.ClaimNum = p.ClaimNum GROUP BY p.ClaimNum) AS s
           ON s.ClaimNum = c.ClaimNum
   SET c.ClaimStatus = 'R', c.DateReceived = @day, c.InsPayAmt = s.Paid, c.WriteOff = s.WriteOff,
       c.DedApplied = s.DedApplied;

-- Edits that move the stamp: addresses, moved visits, recalls.
UPDATE patient p
  JOIN (SELECT DISTINCT 1 + dice(moves, @day, seq) % @patients AS k FROM seq_1_to_6) AS pick
   ON pick.k = p.PatNum
   SET p.Address = CONCAT(DAY(@day), ' Moved Lane'), p.AddrNote = IF(p.AddrNote IS NULL, '', NULL);
UPDATE appointment a
  JOIN (SELECT AptNum FROM appointment WHERE AptStatus = 1 AND AptDateTime > @day + INTERVAL 3 DAY
         ORDER BY dice(later, @day, AptNum), AptNum LIMIT 5) AS pick ON pick.AptNum = a.AptNum
   SET a.AptDateTime = a.AptDateTime + INTERVAL 7 DAY, a.Note = CONCAT('Moved on ', @day);
UPDATE recall r JOIN kept k ON k.PatNum = r.PatNum AND k.IsKept
   SET r.DatePrevious = @day, r.DateDueCalc = @day + INTERVAL 182 DAY,
       r.DateDue = @day + INTERVAL 182 DAY, r.DateScheduled = '0001-01-01'
 WHERE r.RecallTypeNum <= 3;

-- Edits that move no stamp: set back by the program, or in tables that have none.
UPDATE procedurelog p
  JOIN (SELECT DISTINCT 1 + dice(quiet, @day, seq) % @procs AS k FROM seq_1_to_24) AS pick
   ON pick.k = p.ProcNum
   SET p.BillingNote = CONCAT('Checked ', @day, '\t"ok"'), p.DateTStamp = p.DateTStamp;
UPDATE commlog c
  JOIN (SELECT DISTINCT 1 + dice(quiet2, @day, seq) % @calls AS k FROM seq_1_to_8) AS pick
   ON pick.k = c.CommlogNum
   SET c.Note = IF(c.Note IS NULL, '', NULL), c.DateTStamp = c.DateTStamp;
UPDATE procnote n
  JOIN (SELECT DISTINCT 1 + dice(quiet3, @day, seq) % @procs AS k FROM seq_1_to_16) AS pick
   ON pick.k = n.ProcNoteNum
   SET n.Note = CONCAT(n.Note, ' ');
UPDATE definition SET ItemOrder = ItemOrder + 1 WHERE Category = 1;

-- The same edit to 64 rows in a row, without a stamp: what sums and XORs of checksums overlook.
SET @blocks = (SELECT MAX(PerioMeasureNum) DIV 64 FROM periomeasure);
SET @block = dice(block, @day) % GREATEST(1, @blocks);
UPDATE periomeasure SET Bvalue = Bvalue ^ 1, SecDateTEdit = SecDateTEdit
 WHERE PerioMeasureNum BETWEEN 64 * @block AND 64 * @block + 63;

-- Rows that go for good: calls, a booked visit, an unused form, estimates, films, the splits of a
-- payment together with it.
DELETE c FROM commlog c
  JOIN (SELECT DISTINCT 1 + dice(drop1, @day, seq) % @calls AS k FROM seq_1_to_5) AS pick
   ON pick.k = c.CommlogNum;
DELETE d FROM document d
  JOIN (SELECT DISTINCT 1 + dice(drop2, @day, seq) % (SELECT MAX(DocNum) FROM document) AS k
        FROM seq_1_to_3) AS pick ON pick.k = d.DocNum;

CREATE TEMPORARY TABLE gone ENGINE=MyISAM
SELECT (SELECT AptNum FROM appointment WHERE AptStatus = 1 AND AptDateTime > @day + INTERVAL 3 DAY
         ORDER BY dice(drop3, @day, AptNum), AptNum LIMIT 1) AS AptNum,
       (SELECT PayNum FROM payment WHERE PayAmt > 0 AND PayNum <= @payments
        AND PayType NOT IN (0, 1006)
         ORDER BY dice(drop4, @day, PayNum), PayNum LIMIT 1) AS PayNum,
       (SELECT SheetNum FROM sheet ORDER BY dice(drop5, @day, SheetNum),
        SheetNum LIMIT 1) AS SheetNum;
INSERT INTO histappointment
  (HistApptNum, HistUserNum, HistDateTStamp, HistApptAction, AptNum, PatNum, AptStatus, Pattern,
   Note, ProvNum, AptDateTime, ClinicNum, ProcsColored, SecDateTEntry, ProvBarText,
   PatternSecondary, SecurityHash)
SELECT (SELECT MAX(HistApptNum) FROM histappointment) + 1, 2, @day + INTERVAL 15 HOUR, 4, a.AptNum,
       a.PatNum, a.AptStatus, a.Pattern,
       IFNULL(a.Note, ''), a.ProvNum, a.AptDateTime, a.ClinicNum, a.ProcsColored, a.SecDateTEntry,
       '', '', ''
  FROM appointment a JOIN gone g ON g.AptNum = a.AptNum;
UPDATE procedurelog p JOIN gone g ON g.AptNum = p.AptNum SET p.AptNum = 0;
DELETE a FROM appointment a JOIN gone g ON g.AptNum = a.AptNum;
DELETE s FROM paysplit s JOIN gone g ON g.PayNum = s.PayNum;
DELETE p FROM payment p JOIN gone g ON g.PayNum = p.PayNum;
DELETE f FROM sheetfield f JOIN gone g ON g.SheetNum = f.SheetNum;
DELETE s FROM sheet s JOIN gone g ON g.SheetNum = s.SheetNum;
DELETE c FROM claimproc c
  JOIN (SELECT ClaimProcNum FROM claimproc WHERE Status = 6 AND ClaimNum = 0
         ORDER BY dice(drop6, @day, ClaimProcNum), ClaimProcNum LIMIT 4) AS pick
         ON pick.ClaimProcNum = c.ClaimProcNum;

-- A key that changes: the row is another one for everybody who copies by key.
SET @old = (SELECT MIN(ToothInitialNum) FROM toothinitial),
    @new = (SELECT MAX(ToothInitialNum) + 5 FROM toothinitial);
UPDATE toothinitial SET ToothInitialNum = @new, SecDateTEdit = SecDateTEdit
  WHERE ToothInitialNum = @old;

-- Five o'clock: kept patients book again, six months on.
SET timestamp = UNIX_TIMESTAMP(@day + INTERVAL 1020 MINUTE);

SET @visits = (SELECT MAX(AptNum) FROM appointment),
    @procs = (SELECT MAX(ProcNum) FROM procedurelog);
CREATE TEMPORARY TABLE booked ENGINE=MyISAM
SELECT PatNum, ProvNum, ClinicNum, @visits + ROW_NUMBER() OVER (ORDER BY kept.AptNum) AS AptNum,
       @day + INTERVAL 182 + MOD(9 - DAYOFWEEK(@day + INTERVAL 182 DAY), 7) DAY
            + INTERVAL 480 + 30 * (dice(slot, kept.AptNum) % 16) MINUTE
         AS StartsAt
  FROM kept WHERE IsKept AND dice(again, kept.AptNum) % 100 < 75;
INSERT INTO appointment
  (AptNum, PatNum, AptStatus, Pattern, Confirmed, Op, Note, ProvNum, ProvHyg, AptDateTime,
   ProcDescript, ClinicNum, IsHygiene, DateTimeArrived, DateTimeSeated, DateTimeDismissed,
   ProcsColored, AppointmentTypeNum, SecUserNumEntry, SecDateTEntry)
SELECT AptNum, PatNum, 1, '/XXXXXXXX/', 201,
       IF(ClinicNum, ClinicNum + 2 * (AptNum % 4), 9), NULL, ProvNum, 6 + AptNum % 4,
       StartsAt, 'CheckUp, Clean', ClinicNum, 1,
       DATE(StartsAt), DATE(StartsAt), DATE(StartsAt), '', 2, 3, @day + INTERVAL 17 HOUR
  FROM booked;
INSERT INTO procedurelog
  (ProcNum, PatNum, AptNum, ProcDate, ProcFee, ProcStatus, ProvNum, DateEntryC, ClinicNum,
   CodeNum, UnitQty, DateTP, SecUserNumEntry, SecDateEntry)
SELECT @procs + ROW_NUMBER() OVER (ORDER BY b.AptNum, c.CodeNum), b.PatNum, b.AptNum, @day,
       f.Amount, 1, b.ProvNum, @day, b.ClinicNum, c.CodeNum,
       1, @day, 3, @day + INTERVAL 17 HOUR
  FROM booked b
  JOIN procedurecode c ON c.ProcCode IN ('D0120', 'D1110')
  JOIN fee f ON f.CodeNum = c.CodeNum AND f.FeeSched = 1 AND f.ClinicNum = 0 AND f.ProvNum = 0;

INSERT INTO commlog
  (CommlogNum, PatNum, CommDateTime, CommType, Note, Mode_, SentOrReceived, UserNum, Signature,
   DateTEntry)
SELECT @calls + ROW_NUMBER() OVER (ORDER BY AptNum), PatNum, @day + INTERVAL 16 HOUR, 2701,
       'Thanked\tfor "coming"', 5, 1, 3, '',
       @day + INTERVAL 16 HOUR
  FROM kept WHERE IsKept;

-- The audit trail of all this, and its hashes.
INSERT INTO securitylog
  (SecurityLogNum, PermType, UserNum, LogDateTime, LogText, PatNum, CompName, FKey, DateTPrevious)
SELECT @log + ROW_NUMBER() OVER (ORDER BY At, PermType, FKey), PermType, 2 + FKey % 8, At, LogText,
       PatNum, 'FRONT-1', FKey, '0001-01-01'
  FROM (SELECT @day + INTERVAL 12 HOUR AS At, 27 AS PermType, AptNum AS FKey, PatNum,
        'Appointment set to "done"' AS LogText FROM kept
        UNION ALL SELECT @day + INTERVAL 12 HOUR, 23, ProcNum, PatNum, NULL FROM done
        UNION ALL SELECT DISTINCT @day + INTERVAL 13 HOUR, 15, @payments + Place, Guarantor,
          'Payment\tentered' FROM paid
        UNION ALL SELECT @day + INTERVAL 15 HOUR, 26, AptNum, 0, 'Appointment deleted' FROM gone
          WHERE AptNum IS NOT NULL
        UNION ALL SELECT @day + INTERVAL 17 HOUR, 25, AptNum, PatNum, '' FROM booked
        UNION ALL SELECT @day + INTERVAL 18 HOUR, 5, seq, seq, '' FROM seq_1_to_20) AS trail;
INSERT INTO securityloghash (SecurityLogHashNum, SecurityLogNum, LogHash)
SELECT SecurityLogNum - 20, SecurityLogNum,
       SHA2(CONCAT_WS('|', PermType, UserNum, LogDateTime, LogText, PatNum, FKey), 256)
  FROM securitylog WHERE SecurityLogNum > @log;
INSERT INTO entrylog (EntryLogNum, UserNum, FKeyType, FKey, LogSource, EntryDateTime)
SELECT (SELECT MAX(EntryLogNum) FROM entrylog) + seq, seq, 0, seq, 0,
       @day + INTERVAL 7 * 60 + seq MINUTE FROM seq_1_to_4;

DROP TEMPORARY TABLE kept;
DROP TEMPORARY TABLE done;
DROP TEMPORARY TABLE filed;
DROP TEMPORARY TABLE paid;
DROP TEMPORARY TABLE answered;
DROP TEMPORARY TABLE gone;
DROP TEMPORARY TABLE booked;
