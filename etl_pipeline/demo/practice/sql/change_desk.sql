-- The desk's part of a working day, @day, after the visits and the post of change.sql.

-- Half past five: a code is charted for visits that were missed today, and two in three are booked
-- again: the appointment is scheduled as before, on another day.
SET timestamp = UNIX_TIMESTAMP(@day + INTERVAL 1050 MINUTE);

SET @procs = (SELECT MAX(ProcNum) FROM procedurelog);
CREATE TEMPORARY TABLE missed ENGINE=MyISAM
SELECT a.AptNum, a.PatNum, a.ProvNum, a.ClinicNum, a.Op, a.AptDateTime, c.CodeNum, c.ProcCode,
       f.Amount, ROW_NUMBER() OVER (ORDER BY a.AptNum) AS Place, dice(again, a.AptNum, @day) % 3 AS Again
  FROM appointment a
  JOIN procedurecode c ON c.ProcCode = IF(dice(late, a.AptNum, @day) % 3, 'D9986', 'D9987')
  JOIN fee f ON f.CodeNum = c.CodeNum AND f.FeeSched = 1 AND f.ClinicNum = 0 AND f.ProvNum = 0
 WHERE a.AptStatus = 5 AND a.AptDateTime >= @day - INTERVAL 7 DAY
   AND a.AptDateTime < @day + INTERVAL 1 DAY AND a.Note <=> NULL;
INSERT INTO procedurelog
  (ProcNum, PatNum, ProcDate, ProcFee, ProcStatus, ProvNum, DateEntryC, ClinicNum, CodeNum,
   UnitQty, DateTP, SecUserNumEntry, SecDateEntry, DateComplete)
SELECT @procs + Place, PatNum, @day, IF(Again = 2, Amount, 0), 2, ProvNum, @day, ClinicNum,
       CodeNum, 1, @day, 3, @day + INTERVAL 1050 MINUTE, @day
  FROM missed;
INSERT INTO histappointment
  (HistApptNum, HistUserNum, HistDateTStamp, HistApptAction, AptNum, PatNum, AptStatus, Pattern,
   Note, ProvNum, ProvHyg, AptDateTime, ClinicNum, IsHygiene, ProcsColored, SecDateTEntry,
   ProvBarText, PatternSecondary, SecurityHash)
SELECT (SELECT MAX(HistApptNum) FROM histappointment) + m.Place, 3,
       IF(m.ProcCode = 'D9986', @day + INTERVAL 1050 MINUTE, a.AptDateTime - INTERVAL 90 MINUTE),
       IF(m.ProcCode = 'D9986', 2, 3), a.AptNum, a.PatNum, a.AptStatus, a.Pattern, '', a.ProvNum, a.ProvHyg, a.AptDateTime,
       a.ClinicNum, a.IsHygiene, a.ProcsColored, a.SecDateTEntry, '', '', ''
  FROM missed m JOIN appointment a ON a.AptNum = m.AptNum;
UPDATE appointment a JOIN missed m ON m.AptNum = a.AptNum
   SET a.AptStatus = IF(m.Again, 1, a.AptStatus),
       a.AptDateTime = IF(m.Again, a.AptDateTime + INTERVAL 14 DAY, a.AptDateTime),
       a.Note = CONCAT('Broken on ', @day);
-- Whoever is on the short list takes a chair that was cancelled.
INSERT INTO appointment
  (AptNum, PatNum, AptStatus, Pattern, Confirmed, Op, ProvNum, AptDateTime, ProcDescript, ClinicNum,
   DateTimeArrived, DateTimeSeated, DateTimeDismissed, ProcsColored, AppointmentTypeNum,
   SecUserNumEntry, SecDateTEntry)
SELECT (SELECT MAX(AptNum) FROM appointment) + Place, 1 + dice(filler, AptNum) % @patients, 2, '/XXXX/',
       204, Op, ProvNum, AptDateTime, 'Look', ClinicNum, AptDateTime, AptDateTime,
       AptDateTime + INTERVAL 30 MINUTE, '', 4, 3, AptDateTime - INTERVAL 75 MINUTE
  FROM missed
 WHERE ProcCode = 'D9987' AND DATE(AptDateTime) = @day AND dice(fills, AptNum) % 2;
DROP TEMPORARY TABLE missed;

-- A code that was charted lately is forgiven: deleted procedures stay, with status 6.
UPDATE procedurelog p
  JOIN (SELECT p.ProcNum FROM procedurelog p JOIN procedurecode c ON c.CodeNum = p.CodeNum
         WHERE c.ProcCode IN ('D9986', 'D9987') AND p.ProcStatus = 2 AND p.ProcFee = 0
           AND p.ProcDate < @day
         ORDER BY dice(forgive, p.ProcNum, @day) LIMIT 1) AS pick ON pick.ProcNum = p.ProcNum
   SET p.ProcStatus = 6;

-- The schedule: a provider is away on a day of the coming weeks, and a block gets another chair.
CREATE TEMPORARY TABLE away ENGINE=MyISAM
SELECT ScheduleNum FROM schedule
 WHERE SchedType = 1 AND SchedDate = @day + INTERVAL 7 + dice(away, @day) % 7 DAY
   AND ProvNum = 1 + dice(who, @day) % 9;
DELETE o FROM scheduleop o JOIN away w ON w.ScheduleNum = o.ScheduleNum;
DELETE s FROM schedule s JOIN away w ON w.ScheduleNum = s.ScheduleNum;
DROP TEMPORARY TABLE away;
UPDATE scheduleop o
  JOIN (SELECT o.ScheduleOpNum FROM scheduleop o JOIN schedule s ON s.ScheduleNum = o.ScheduleNum
         WHERE s.SchedDate > @day ORDER BY dice(chair, o.ScheduleOpNum, @day) LIMIT 2) AS pick
    ON pick.ScheduleOpNum = o.ScheduleOpNum
   SET o.OperatoryNum = 1 + (o.OperatoryNum + 1) % 8;

-- Treatment that today's exams found: planned (shown to every other patient in a saved plan), and a
-- filling that is made at once.
CREATE TEMPORARY TABLE found ENGINE=MyISAM
SELECT a.AptNum, a.PatNum, a.ProvNum, a.ClinicNum, c.CodeNum, c.ProcCode, f.Amount, k.seq,
       k.seq = 3 AS IsDone, ROW_NUMBER() OVER (ORDER BY a.AptNum, k.seq) AS Place,
       DENSE_RANK() OVER (ORDER BY a.PatNum) AS Patient
  FROM appointment a JOIN seq_1_to_3 k
  JOIN procedurecode c ON c.ProcCode = ELT(k.seq, 'D2740', 'D2392', 'D2391')
  JOIN fee f ON f.CodeNum = c.CodeNum AND f.FeeSched = 1 AND f.ClinicNum = 0 AND f.ProvNum = 0
 WHERE a.AptStatus = 2 AND DATE(a.AptDateTime) = @day
   AND dice(found, a.AptNum, k.seq) % 100 < IF(k.seq = 3, 30, 45);
SET @procs = (SELECT MAX(ProcNum) FROM procedurelog),
    @plans = (SELECT MAX(TreatPlanNum) FROM treatplan);
INSERT INTO procedurelog
  (ProcNum, PatNum, AptNum, ProcDate, ProcFee, ProcStatus, ProvNum, DateEntryC, ClinicNum, CodeNum,
   UnitQty, DateTP, SecUserNumEntry, SecDateEntry, DateComplete)
SELECT @procs + Place, PatNum, IF(IsDone, AptNum, 0), @day, Amount, IF(IsDone, 2, 1), ProvNum, @day,
       ClinicNum, CodeNum, 1, @day, 14, @day + INTERVAL 1050 MINUTE, IF(IsDone, @day, '0001-01-01')
  FROM found;
INSERT INTO treatplan
  (TreatPlanNum, PatNum, DateTP, Heading, Note, Signature, TPStatus, SecUserNumEntry, SecDateEntry,
   UserNumPresenter, SignaturePractice, SignatureText)
SELECT @plans + Patient, PatNum, @day, 'Proposed treatment', '', '', 0, 14, @day, 14, '', ''
  FROM found WHERE Patient % 2 AND NOT IsDone GROUP BY Patient, PatNum;
INSERT INTO proctp
  (ProcTPNum, TreatPlanNum, PatNum, ProcNumOrig, ItemOrder, ToothNumTP, Surf, ProcCode, Descript,
   FeeAmt, PatAmt, ProcAbbr, SecUserNumEntry, SecDateEntry, ProvNum, DateTP, ClinicNum)
SELECT (SELECT MAX(ProcTPNum) FROM proctp) + Place, @plans + Patient, PatNum, @procs + Place, seq,
       '', '', ProcCode, '', Amount, Amount, '', 14, @day, ProvNum, @day, ClinicNum
  FROM found WHERE Patient % 2 AND NOT IsDone;
DROP TEMPORARY TABLE found;

-- Recalls go off and on again; two patients choose the other office; new ones say who sent them.
UPDATE recall r
  JOIN (SELECT RecallNum, ROW_NUMBER() OVER (ORDER BY dice(off, RecallNum, @day)) AS Place
          FROM recall) AS pick ON pick.RecallNum = r.RecallNum AND pick.Place <= 4
   SET r.DisableUntilDate = IF(pick.Place = 1, @day + INTERVAL 4 DAY, r.DisableUntilDate),
       r.DisableUntilBalance = IF(pick.Place = 2, 10, IF(pick.Place = 3, 0, r.DisableUntilBalance)),
       r.IsDisabled = IF(pick.Place = 4, 1 - r.IsDisabled, r.IsDisabled);
UPDATE patient p
  JOIN (SELECT PatNum FROM patient WHERE ClinicNum IN (1, 2)
         ORDER BY dice(othersite, PatNum, @day) LIMIT 2) AS pick ON pick.PatNum = p.PatNum
   SET p.ClinicNum = 3 - p.ClinicNum;
INSERT INTO refattach
  (RefAttachNum, ReferralNum, PatNum, ItemOrder, RefDate, RefType, RefToStatus, IsTransitionOfCare,
   ProcNum, ProvNum)
SELECT (SELECT MAX(RefAttachNum) FROM refattach) + ROW_NUMBER() OVER (ORDER BY PatNum),
       21 + dice(source, PatNum) % 5, PatNum, 1, @day, 1, 0, 0, 0, 0
  FROM patient WHERE SecDateEntry = @day AND dice(came, PatNum) % 100 < 70;

-- Claims: one in three of today's is not sent yet, and yesterday's go out.
UPDATE claim
   SET ClaimStatus = 'S', DateSent = @day, DateSentOrig = @day
 WHERE ClaimStatus IN ('U', 'W') AND SecDateEntry < @day AND dice(sends, ClaimNum, @day) % 3;
UPDATE claim
   SET ClaimStatus = 'W', DateSentOrig = '0001-01-01'
 WHERE ClaimStatus = 'S' AND ClaimType = 'P' AND SecDateEntry = @day AND ClaimNum % 3 = 0;

-- Patients who were sent to a specialist: one more each day, and those of before get on.
UPDATE refattach
   SET RefToStatus = LEAST(5, RefToStatus + 1),
       DateProcComplete = IF(RefToStatus >= 5, @day, DateProcComplete)
 WHERE RefType = 0 AND RefToStatus IN (0, 2, 3, 4) AND dice(progress, RefAttachNum, @day) % 4 = 0;
INSERT INTO refattach
  (RefAttachNum, ReferralNum, PatNum, ItemOrder, RefDate, RefType, RefToStatus, IsTransitionOfCare,
   ProcNum, ProvNum)
SELECT (SELECT MAX(RefAttachNum) FROM refattach) + 1, 1 + dice(sentto, @day) % 20, PatNum, 2, @day, 0, 0,
       1, 0, ProvNum
  FROM appointment
 WHERE AptStatus = 2 AND DATE(AptDateTime) = @day
 ORDER BY dice(sent, AptNum, @day) LIMIT 1;
