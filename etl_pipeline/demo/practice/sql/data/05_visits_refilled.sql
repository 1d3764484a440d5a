-- Visits that stay broken, as the book's history has them: missed (2) or cancelled (3) with the code
-- that is charted on the day, or put to broken some days before without a code (1).
CREATE TEMPORARY TABLE broken (
  AptNum bigint PRIMARY KEY, BrokenAt datetime, HistApptAction int, Filler bigint, Place int
) ENGINE=MyISAM;
INSERT INTO broken
SELECT v.AptNum,
       IFNULL(m.BrokenAt, GREATEST(v.MadeAt, v.StartsAt - INTERVAL dice(notice, v.AptNum) % 9000 MINUTE)),
       IF(m.AptNum IS NULL, 1, IF(m.ProcCode = 'D9986', 2, 3)),
       IF(dice(fills, v.AptNum) % 10 < 6, 1 + dice(filler, v.AptNum) % @patients, 0), 0
  FROM visit v LEFT JOIN missed m ON m.AptNum = v.AptNum AND NOT m.IsRebooked
 WHERE v.AptStatus = 5;
INSERT INTO histappointment
  (HistApptNum, HistUserNum, HistDateTStamp, HistApptAction, AptNum, PatNum, AptStatus, Pattern,
   Confirmed, Op, Note, ProvNum, ProvHyg, AptDateTime, ClinicNum, IsHygiene, DateTStamp,
   ProcsColored, AppointmentTypeNum, SecDateTEntry, ProvBarText, PatternSecondary, SecurityHash)
SELECT (SELECT MAX(HistApptNum) FROM histappointment) + ROW_NUMBER() OVER (ORDER BY b.BrokenAt, b.AptNum),
       2, b.BrokenAt, b.HistApptAction, a.AptNum, a.PatNum, 5, a.Pattern, 201, a.Op,
       IFNULL(a.Note, ''), a.ProvNum, a.ProvHyg, a.AptDateTime, a.ClinicNum, a.IsHygiene, b.BrokenAt,
       '', a.AppointmentTypeNum, a.SecDateTEntry, '', '', ''
  FROM broken b JOIN appointment a ON a.AptNum = b.AptNum;

-- Some of the chairs that were free so early are taken at once by a patient from the short list, for a
-- look that costs nothing.
DELETE b FROM broken b JOIN visit v ON v.AptNum = b.AptNum LEFT JOIN person p ON p.PatNum = b.Filler
 WHERE b.BrokenAt > v.StartsAt - INTERVAL 30 MINUTE OR p.PatNum IS NULL OR p.Status <> 0
    OR p.ClinicNum <> v.ClinicNum OR p.PatNum = v.PatNum OR v.Day NOT BETWEEN p.FirstHere AND p.LastHere;
INSERT INTO appointment
  (AptNum, PatNum, AptStatus, Pattern, Confirmed, Op, Note, ProvNum, ProvHyg, AptDateTime,
   ProcDescript, ClinicNum, IsHygiene, DateTStamp, DateTimeArrived, DateTimeSeated,
   DateTimeDismissed, ProcsColored, AppointmentTypeNum, SecUserNumEntry, SecDateTEntry, ProvBarText)
SELECT (SELECT MAX(AptNum) FROM visit) + ROW_NUMBER() OVER (ORDER BY b.BrokenAt, b.AptNum), b.Filler, 2,
       '/XXXX/', 204, a.Op, NULL, a.ProvNum, 0, a.AptDateTime + INTERVAL 10 MINUTE, 'Look', a.ClinicNum, 0,
       a.AptDateTime + INTERVAL 40 MINUTE, a.AptDateTime + INTERVAL 5 MINUTE,
       a.AptDateTime + INTERVAL 10 MINUTE, a.AptDateTime + INTERVAL 40 MINUTE, '', 4, 3,
       b.BrokenAt + INTERVAL 20 MINUTE, ''
  FROM broken b JOIN appointment a ON a.AptNum = b.AptNum;
DROP TEMPORARY TABLE broken;
