-- Visits that were broken. The desk charts D9986 (missed) or D9987 (cancelled) on the day, without
-- tying it to the appointment, and usually books again: the appointment is then scheduled or kept,
-- and only the code and histappointment tell. A visit can be broken more than once.
CREATE TEMPORARY TABLE missed (
  AptNum bigint, PatNum bigint, ProvNum int, ClinicNum int, Age int, ProcCode varchar(15)
    CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, OldStart datetime, IsRebooked int, Again int,
  BrokenAt datetime, KEY (AptNum)
) ENGINE=MyISAM;
INSERT INTO missed
SELECT AptNum, PatNum, IF(Hygienist AND AptNum % 2, Hygienist, ProvNum), ClinicNum, Age,
       IF(AptNum % 3, 'D9986', 'D9987'), StartsAt, 0, 0, NULL
  FROM visit WHERE AptStatus = 5 AND dice(noted, AptNum) % 10 < 7;
INSERT INTO missed
SELECT v.AptNum, v.PatNum, IF(v.Hygienist AND v.AptNum % 2, v.Hygienist, v.ProvNum), v.ClinicNum,
       v.Age, IF(dice(late, v.AptNum, k.seq) % 5 < 3, 'D9986', 'D9987'),
       v.StartsAt - INTERVAL 14 * k.seq DAY, 1, k.seq, NULL
  FROM visit v JOIN seq_1_to_2 k
 WHERE v.AptStatus IN (1, 2, 3) AND v.Kind IN ('N', 'H', 'T')
   AND dice(rebooked, v.AptNum, k.seq) % 100 < IF(k.seq = 1, 6, 1)
   AND v.Day - INTERVAL 14 * k.seq DAY BETWEEN @opened + INTERVAL 30 DAY AND @today;
-- Who is missed is known when the visit has begun; who cancels calls some hours before.
UPDATE missed
   SET BrokenAt = OldStart + INTERVAL IF(ProcCode = 'D9986', 30, -45 - dice(call, AptNum) % 200) MINUTE;

-- What was done to the appointment: missed (2), cancelled (3), then changed (1).
INSERT INTO histappointment
  (HistApptNum, HistUserNum, HistDateTStamp, HistApptAction, AptNum, PatNum, AptStatus, Pattern,
   Confirmed, Op, Note, ProvNum, ProvHyg, AptDateTime, ClinicNum, IsHygiene, DateTStamp,
   ProcsColored, AppointmentTypeNum, SecDateTEntry, ProvBarText, PatternSecondary, SecurityHash)
SELECT (SELECT MAX(HistApptNum) FROM histappointment)
         + ROW_NUMBER() OVER (ORDER BY m.OldStart, m.AptNum, k.seq),
       2, m.BrokenAt + INTERVAL 5 * k.seq MINUTE,
       IF(k.seq, 1, IF(m.ProcCode = 'D9986', 2, 3)), a.AptNum, a.PatNum, IF(k.seq, 1, 5),
       a.Pattern, 201, a.Op, IFNULL(a.Note, ''), a.ProvNum, a.ProvHyg,
       m.OldStart + INTERVAL IF(k.seq, 14, 0) DAY, a.ClinicNum, a.IsHygiene,
       m.BrokenAt + INTERVAL 5 * k.seq MINUTE, '', a.AppointmentTypeNum,
       LEAST(a.SecDateTEntry, m.OldStart - INTERVAL 1 DAY), '', '', ''
  FROM missed m JOIN appointment a ON a.AptNum = m.AptNum JOIN seq_0_to_1 k
 WHERE m.IsRebooked;
