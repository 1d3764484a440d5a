-- Working hours of the last 25 months and the next three. SchedType 1 provider, 2 blockout. A row
-- names no clinic (ClinicNum 0): its clinic is that of its chairs (scheduleop, operatory). On
-- Tuesdays and Thursdays providers work in the other office after lunch; provider 5 is in two rows
-- at a time, provider 8 goes to schools on Wednesdays. Provider 9 has the chair of which she is the
-- hygienist, and provider 3 two of different offices on Mondays, so their rows there name no chair.
CREATE TEMPORARY TABLE shift (
  Place bigint AUTO_INCREMENT PRIMARY KEY, Day date, ProvNum int, Part int, StartTime time,
  StopTime time, Office int
) ENGINE=MyISAM;
INSERT INTO shift (Day, ProvNum, Part, StartTime, StopTime, Office)
SELECT Day, ProvNum, Part,
       CASE WHEN Part = 2 THEN '13:15:00' WHEN Part = 3 THEN '10:00:00'
            WHEN ProvNum % 3 THEN '08:00:00' ELSE '09:30:00' END,
       CASE WHEN DAYOFWEEK(Day) IN (6, 7) THEN '13:00:00'
            WHEN Part = 1 AND DAYOFWEEK(Day) IN (3, 5) AND ProvNum NOT IN (0, 9) THEN '12:30:00'
            WHEN Part = 3 THEN '18:00:00' ELSE '17:00:00' END,
       CASE WHEN Part = 2 THEN 2 - ProvNum % 2 ELSE 1 + ProvNum % 2 END
  FROM (SELECT @today - INTERVAL 760 DAY + INTERVAL d.seq DAY AS Day, p.seq AS ProvNum,
               k.seq AS Part
          FROM seq_0_to_850 d JOIN seq_0_to_9 p JOIN seq_1_to_3 k) AS s
 WHERE DAYOFWEEK(Day) > 1 AND (DAYOFWEEK(Day) < 7 OR ProvNum % 5 = 1)
   AND CASE Part WHEN 1 THEN 1
                 WHEN 2 THEN DAYOFWEEK(Day) IN (3, 5) AND ProvNum NOT IN (0, 9)
                 ELSE DAYOFWEEK(Day) IN (2, 4) AND ProvNum = 5 END
 ORDER BY Day, ProvNum, Part;

INSERT INTO schedule
  (ScheduleNum, SchedDate, StartTime, StopTime, SchedType, ProvNum, BlockoutType, Note, Status,
   EmployeeNum, DateTStamp, ClinicNum)
SELECT Place, Day, StartTime, StopTime, IF(ProvNum = 0, 2, 1), ProvNum, IF(ProvNum = 0, 2501, 0),
       IF(ProvNum = 0, 'Lunch', IF(ProvNum % 4, '', NULL)), 0, 0,
       Day - INTERVAL 30 DAY + INTERVAL 12 HOUR, 0
  FROM shift;

-- Dentists work in two chairs at a time, hygienists in one.
INSERT INTO scheduleop (ScheduleOpNum, ScheduleNum, OperatoryNum)
SELECT ROW_NUMBER() OVER (ORDER BY s.Place, k.seq), s.Place,
       IF(s.ProvNum = 8 AND DAYOFWEEK(s.Day) = 4, 9,
          s.Office + 2 * ((s.ProvNum + s.Part DIV 3 + k.seq) % 4))
  FROM shift s JOIN seq_0_to_1 k
 WHERE s.ProvNum BETWEEN 1 AND 8 AND (k.seq = 0 OR s.ProvNum <= 5)
   AND NOT (s.ProvNum = 3 AND DAYOFWEEK(s.Day) = 2);
DROP TEMPORARY TABLE shift;
