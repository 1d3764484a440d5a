-- The appointment book. The temporary table visit holds every appointment with what the
-- procedures of the next file depend on.

CREATE TEMPORARY TABLE visit (
  PatNum bigint, Kind char(1) CHARACTER SET latin1, Day date, Age int, AptNum bigint DEFAULT 0,
  AptStatus int DEFAULT 0, StartsAt datetime, MadeAt datetime, ProvNum int, Hygienist int,
  ClinicNum int, KEY (AptNum), KEY (PatNum)
) ENGINE=MyISAM;

-- Kind N: first visit. H: cleaning, every IntervalDays with some delay, one in nine skipped.
INSERT INTO visit (PatNum, Kind, Day, Age)
SELECT PatNum, IF(seq = 0 AND Since >= @opened, 'N', 'H'), Day,
       Age - TIMESTAMPDIFF(YEAR, Day, @today)
  FROM (SELECT p.PatNum, p.Since, p.Age, k.seq, p.IntervalDays, p.LastHere,
               p.FirstHere + INTERVAL k.seq * p.IntervalDays + IF(k.seq,
                   dice(gap, p.PatNum, k.seq) % 38, 0) DAY
                 AS Day
          FROM person p JOIN seq_0_to_14 k) AS planned
 WHERE Day <= LastHere AND Day <= @today + INTERVAL IntervalDays DAY
   AND (seq = 0 OR dice(skip, PatNum, seq) % 9 > 0)
   AND (Day <= @today OR dice(booked, PatNum) % 100 < 62);

-- T: treatment that the exam found, some weeks later, sometimes in two visits.
INSERT INTO visit (PatNum, Kind, Day, Age)
SELECT PatNum, 'T', Day, Age
  FROM (SELECT v.PatNum, v.Age,
        v.Day + INTERVAL 8 + 14 * (k.seq - 1) + dice(treat, v.PatNum, v.Day, k.seq) % 30 DAY
                 AS Day
          FROM visit v JOIN seq_1_to_2 k
         WHERE v.Day <= @today
           AND dice(treats, v.PatNum, v.Day, k.seq) % 100 < IF(k.seq = 1, 34, 7)) AS found;

-- E: emergencies, any day.
INSERT INTO visit (PatNum, Kind, Day, Age)
SELECT p.PatNum, 'E', @opened + INTERVAL 365 * k.seq + dice(pain, p.PatNum, k.seq) % 365 DAY, p.Age
  FROM person p JOIN seq_0_to_3 k
 WHERE dice(haspain, p.PatNum, k.seq) % 100 < 9
   AND @opened + INTERVAL 365 * k.seq + dice(pain, p.PatNum, k.seq) % 365 DAY
       BETWEEN p.FirstHere AND LEAST(p.LastHere, @today);

-- Closed on Sundays, on most Saturdays and on some holidays; many a Friday moves to Tuesday.
UPDATE visit SET Day = Day - INTERVAL 3 DAY WHERE DAYOFWEEK(Day) = 6
  AND dice(friday, PatNum, Day) % 10 < 4;
UPDATE visit SET Day = Day + INTERVAL IF(dice(sunday, PatNum, Day) % 2, 1, 3) DAY
  WHERE DAYOFWEEK(Day) = 1;
UPDATE visit SET Day = Day - INTERVAL 1 + dice(saturday, PatNum, Day) % 4 DAY
 WHERE DAYOFWEEK(Day) = 7 AND dice(saturday2, PatNum, Day) % 10 < 8;
UPDATE visit SET Day = Day + INTERVAL IF(DAYOFWEEK(Day) >= 6, 9 - DAYOFWEEK(Day), 1) DAY
 WHERE DATE_FORMAT(Day, '%m%d') IN ('0101', '0704', '1225') OR Day < @opened;

UPDATE visit v JOIN person p ON p.PatNum = v.PatNum SET
  v.ProvNum = p.ProvNum, v.Hygienist = IF(v.Kind IN ('N', 'H'), p.Hygienist, 0),
  v.ClinicNum = p.ClinicNum,
  v.StartsAt = v.Day + INTERVAL 480 + 10 * (dice(start, v.PatNum, v.Day) % 51) MINUTE,
  v.AptStatus = CASE WHEN v.Day > @today THEN 1
                     WHEN dice(kept, v.PatNum, v.Day, v.Kind) % 1000 < 905 THEN 2
                     WHEN dice(kept, v.PatNum, v.Day, v.Kind) % 1000 < 970 THEN 5
                     WHEN dice(kept, v.PatNum, v.Day, v.Kind) % 1000 < 988 THEN 3 ELSE 2 END;
UPDATE visit SET MadeAt = LEAST(@today + INTERVAL 17 HOUR, GREATEST(@opened + INTERVAL 8 HOUR,
    StartsAt - INTERVAL CASE Kind WHEN 'E' THEN 0 WHEN 'T' THEN 1 + dice(made, PatNum, Day) % 30
                                  WHEN 'N' THEN 3 + dice(made, PatNum, Day) % 21
                                  ELSE 20 + dice(made, PatNum, Day) % 160 END DAY
             - INTERVAL dice(made2, PatNum, Day) % 50 MINUTE));

-- Planned visits (AptStatus 6) have no date yet; some were booked later as NextAptNum says.
INSERT INTO visit
  (PatNum, Kind, Day, Age, AptStatus, StartsAt, MadeAt, ProvNum, Hygienist, ClinicNum)
SELECT PatNum, 'P', '0001-01-01', Age, 6, '0001-01-01', StartsAt + INTERVAL 50 MINUTE, ProvNum, 0,
       ClinicNum
  FROM visit WHERE Kind IN ('H', 'N') AND AptStatus = 2 AND dice(planned, PatNum, Day) % 100 < 5;

-- Keys follow the order of entry, with holes where visits were deleted.
CREATE TEMPORARY TABLE numbered ENGINE=MyISAM
SELECT v.*, ROW_NUMBER() OVER (ORDER BY MadeAt, PatNum, Kind, Day) AS Place FROM visit v;
TRUNCATE visit;
INSERT INTO visit
  (PatNum, Kind, Day, Age, AptNum, AptStatus, StartsAt, MadeAt, ProvNum, Hygienist, ClinicNum)
SELECT PatNum, Kind, Day, Age, Place + Place DIV 40, AptStatus, StartsAt, MadeAt, ProvNum,
       Hygienist, ClinicNum
  FROM numbered;
DROP TEMPORARY TABLE numbered;

INSERT INTO appointment
  (AptNum, PatNum, AptStatus, Pattern, Confirmed, TimeLocked, Op, Note, ProvNum, ProvHyg,
   AptDateTime, NextAptNum, UnschedStatus, IsNewPatient, ProcDescript, Assistant, ClinicNum,
   IsHygiene, DateTStamp, DateTimeArrived, DateTimeSeated, DateTimeDismissed, InsPlan1,
   DateTimeAskedToArrive, ProcsColored, ColorOverride, AppointmentTypeNum, SecUserNumEntry,
   SecDateTEntry, Priority, ProvBarText)
SELECT v.AptNum, v.PatNum, v.AptStatus,
       CASE v.Kind WHEN 'N' THEN '//XXXXXXXX//' WHEN 'H' THEN '/XXXXXXXX/' WHEN 'E' THEN '/XXXX/'
                   ELSE '/XXXXXXXXXX/' END,
       CASE WHEN v.AptStatus = 2 THEN 204 WHEN v.Day > @today
        THEN 201 + dice(confirmed, v.AptNum) % 3 ELSE 202 END,
       dice(locked, v.AptNum) % 50 = 0, IF(v.ClinicNum, v.ClinicNum + 2 * (dice(chair, v.AptNum) % 4), 9),
       CASE dice(aptnote, v.AptNum) % 20 WHEN 0 THEN 'Bring films' WHEN 1
        THEN 'Running late?\r\nCall "wife"'
            WHEN 2 THEN '' WHEN 3 THEN 'tab\there \\ there' ELSE NULL END,
       v.ProvNum, v.Hygienist, v.StartsAt, 0, IF(v.AptStatus = 3, 1302, 0), v.Kind = 'N',
       ELT(LOCATE(v.Kind, 'NHTEP'), 'FullEx, FMX, Clean', 'CheckUp, Clean', 'Fillings',
           'ShortEx, PA', 'Planned'),
       IF(v.Kind IN ('T', 'E'), 1 + v.AptNum % 9, 0), v.ClinicNum, v.Hygienist > 0,
       CASE v.AptStatus WHEN 2 THEN v.StartsAt + INTERVAL 55 MINUTE
                        WHEN 5 THEN v.StartsAt + INTERVAL 20 MINUTE
                        WHEN 3 THEN v.StartsAt - INTERVAL 1 DAY ELSE v.MadeAt END,
       IF(v.AptStatus = 2, v.StartsAt - INTERVAL dice(early, v.AptNum) % 15 MINUTE,
          IF(v.Kind = 'P', '0001-01-01', v.Day)),
       IF(v.AptStatus = 2, v.StartsAt + INTERVAL dice(late, v.AptNum) % 12 MINUTE,
          IF(v.Kind = 'P', '0001-01-01', v.Day)),
       IF(v.AptStatus = 2, v.StartsAt + INTERVAL 50 + dice(out, v.AptNum) % 20 MINUTE,
          IF(v.Kind = 'P', '0001-01-01', v.Day)),
       IFNULL(s.PlanNum, 0), '0001-01-01',
       IF(v.AptNum % 5, '', '<span color="-16777216">Clean</span>'),
       0, IF(v.Kind = 'P', 0, LOCATE(v.Kind, 'NHTE')), 1 + dice(aptuser, v.AptNum) % 9, v.MadeAt,
       dice(asap, v.AptNum) % 25 = 0, ''
  FROM visit v
  LEFT JOIN patplan pp ON pp.PatNum = v.PatNum AND pp.Ordinal = 1
  LEFT JOIN inssub s ON s.InsSubNum = pp.InsSubNum;

-- Half of the planned visits were booked: the patient's first treatment after them.
UPDATE appointment a
  JOIN (SELECT p.AptNum AS PlannedAptNum, MIN(t.AptNum) AS AptNum
          FROM visit p JOIN visit t ON t.PatNum = p.PatNum AND t.Kind = 'T' AND t.MadeAt > p.MadeAt
         WHERE p.Kind = 'P' GROUP BY p.AptNum) AS booked ON booked.AptNum = a.AptNum
   SET a.NextAptNum = booked.PlannedAptNum, a.DateTStamp = a.DateTStamp;

-- What the book held before: created (0), changed (1), deleted (4).
INSERT INTO histappointment
  (HistApptNum, HistUserNum, HistDateTStamp, HistApptAction, ApptSource, AptNum, PatNum,
   AptStatus, Pattern, Confirmed, TimeLocked, Op, Note, ProvNum, ProvHyg, AptDateTime, NextAptNum,
   IsNewPatient, ProcDescript, ClinicNum, IsHygiene, DateTStamp, InsPlan1, ProcsColored,
   AppointmentTypeNum, SecUserNumEntry, SecDateTEntry, ProvBarText, PatternSecondary,
   SecurityHash)
SELECT ROW_NUMBER() OVER (ORDER BY ChangedAt, AptNum, seq), SecUserNumEntry, ChangedAt,
       IF(seq = 0, 0, 1), 0,
       AptNum, PatNum, IF(AptStatus = 6, 6, 1), Pattern, 201, TimeLocked, Op, IFNULL(Note, ''),
       ProvNum, ProvHyg,
       IF(seq = 0 AND AptStatus <> 6 AND dice(moved, AptNum) % 4 = 0,
          AptDateTime - INTERVAL 7 DAY, AptDateTime), 0, IsNewPatient, ProcDescript, ClinicNum,
          IsHygiene,
       ChangedAt, InsPlan1, ProcsColored, AppointmentTypeNum, SecUserNumEntry, SecDateTEntry, '',
       '', ''
  FROM (SELECT a.*, k.seq,
               IF(k.seq = 0, a.SecDateTEntry,
                  LEAST(a.SecDateTEntry + INTERVAL 1 + dice(histday, a.AptNum, k.seq) % 400 HOUR,
                        GREATEST(a.DateTStamp, a.SecDateTEntry))) AS ChangedAt
          FROM appointment a JOIN seq_0_to_1 k
         WHERE dice(hist, a.AptNum, k.seq) % 100 < IF(k.seq = 0, 45, 20)) AS h;

INSERT INTO histappointment
  (HistApptNum, HistUserNum, HistDateTStamp, HistApptAction, AptNum, PatNum, AptStatus, Pattern,
   Note, ProvNum, AptDateTime, ClinicNum, DateTStamp, ProcsColored, SecDateTEntry, ProvBarText,
   PatternSecondary, SecurityHash)
SELECT (SELECT MAX(HistApptNum) FROM histappointment) + ROW_NUMBER() OVER (ORDER BY v.AptNum), 2,
       v.MadeAt + INTERVAL 1 HOUR, 4, v.AptNum + 1, v.PatNum, 1, '/XX/', '', v.ProvNum, v.StartsAt,
       v.ClinicNum, v.MadeAt, '', v.MadeAt, '', '', ''
  FROM visit v LEFT JOIN appointment a ON a.AptNum = v.AptNum + 1
 WHERE a.AptNum IS NULL AND v.Kind <> 'P';
