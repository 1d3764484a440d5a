-- The front desk: calls, tasks, and the trail of who did what.

-- Mode_: 0 none, 1 e-mail, 2 letter, 3 telephone, 4 in person, 5 text. SentOrReceived: 1 sent.
INSERT INTO commlog
  (CommlogNum, PatNum, CommDateTime, CommType, Note, Mode_, SentOrReceived, UserNum, Signature,
   DateTStamp, DateTimeEnd, CommSource, DateTEntry)
SELECT ROW_NUMBER() OVER (ORDER BY At, AptNum, seq), PatNum, At, CommType,
       ELT(1 + dice(call, AptNum, seq) % 8, 'Confirmed by text',
           'Left a message.\r\nWill call back', 'Asked about the "bill"',
           NULL, 'Moved; new address:\n12 Sample Street\nLindenmere', 'Παρακαλώ / пожалуйста',
           'NULL', 'Prefers mornings \\ early '),
       1 + dice(mode, AptNum, seq) % 5, dice(sent, AptNum, seq) % 3,
       1 + dice(calluser, AptNum, seq) % 9, '',
       At + INTERVAL dice(calledit, AptNum, seq) % 3 DAY,
       IF(seq = 1, '0001-01-01', At + INTERVAL 4 MINUTE), IF(seq % 2, NULL, 0), At
  FROM (SELECT v.PatNum, v.AptNum, k.seq,
        ELT(k.seq, 2706, 2701 + dice(commtype, v.AptNum) % 5) AS CommType,
               IF(k.seq = 1, v.StartsAt - INTERVAL 2 DAY,
                  v.StartsAt + INTERVAL 1 + dice(after, v.AptNum) % 90 HOUR) AS At
          FROM visit v JOIN seq_1_to_2 k
         WHERE v.AptStatus IN (1, 2, 5)
          AND dice(calls, v.AptNum, k.seq) % 100 < IF(k.seq = 1, 72, 30)) AS c
 WHERE At < @today + INTERVAL 18 HOUR;

-- TaskStatus: 0 new, 1 viewed, 2 done. ObjectType: 0 none, 1 patient (KeyNum), 2 appointment.
INSERT INTO task
  (TaskNum, TaskListNum, DateTask, KeyNum, Descript, TaskStatus, DateType, ObjectType,
   DateTimeEntry, UserNum, DateTimeFinished, PriorityDefNum, ReminderGroupId, DateTimeOriginal,
   SecDateTEdit, DescriptOverride)
SELECT ROW_NUMBER() OVER (ORDER BY Day, AptNum), 1 + AptNum % 8, '0001-01-01', PatNum,
       ELT(1 + dice(task, AptNum) % 5, 'Call carrier', 'Ask "boss" about refund',
           'Order:\n- gloves\n- film', 'Check\tschedule', 'Rückruf ☎'),
       IF(Day < @today - INTERVAL 20 DAY, 2, AptNum % 2), 0, 1, StartsAt, 1 + AptNum % 22,
       IF(Day < @today - INTERVAL 20 DAY, StartsAt + INTERVAL 30 HOUR, '0001-01-01'),
       IF(AptNum % 9, 3301, 3302), '', StartsAt,
       IF(Day < @today - INTERVAL 20 DAY, StartsAt + INTERVAL 30 HOUR, StartsAt), ''
  FROM visit WHERE AptStatus IN (2, 5) AND dice(hastask, AptNum) % 100 < 6;

INSERT INTO taskhist
  (TaskHistNum, UserNumHist, DateTStamp, IsNoteChange, TaskNum, TaskListNum, DateTask, KeyNum,
   Descript, TaskStatus, ObjectType, DateTimeEntry, UserNum, DateTimeFinished, PriorityDefNum,
   ReminderGroupId, DateTimeOriginal, SecDateTEdit, DescriptOverride)
SELECT ROW_NUMBER() OVER (ORDER BY TaskNum), UserNum, DateTimeEntry + INTERVAL 2 HOUR, 0, TaskNum,
       TaskListNum, DateTask, KeyNum, Descript, 0,
       ObjectType, DateTimeEntry, UserNum, '0001-01-01', PriorityDefNum, '', DateTimeOriginal,
       DateTimeEntry + INTERVAL 2 HOUR, ''
  FROM task WHERE TaskNum % 3 > 0;

INSERT INTO tasknote (TaskNoteNum, TaskNum, UserNum, DateTimeNote, Note)
SELECT ROW_NUMBER() OVER (ORDER BY TaskNum), TaskNum, 1 + TaskNum % 9,
       DateTimeEntry + INTERVAL 3 HOUR,
       ELT(1 + TaskNum % 3, 'Done?\r\nNot yet.', 'See \\\\server\\notes', 'They said "next week"')
  FROM task WHERE TaskNum % 4 = 0;

INSERT INTO tasksubscription (TaskSubscriptionNum, UserNum, TaskListNum, TaskNum)
SELECT seq, 1 + seq % 22, 1 + seq % 8, 0 FROM seq_1_to_30;

INSERT INTO taskunread (TaskUnreadNum, TaskNum, UserNum)
SELECT ROW_NUMBER() OVER (ORDER BY TaskNum), TaskNum, 1 + TaskNum % 22 FROM task
       WHERE TaskStatus = 0 OR TaskNum <= 2;

-- The audit trail. PermType is OpenDental's number of the right that was used: 5 chart opened,
-- 15 payment made, 23 procedure completed, 25 appointment made, 26 moved, 27 edited.
CREATE TEMPORARY TABLE trail (
  At datetime, PermType int, UserNum int, PatNum bigint, FKey bigint, Event int, KEY (At)
) ENGINE=MyISAM;
INSERT INTO trail SELECT SecDateTEntry, 25, SecUserNumEntry, PatNum, AptNum, 0 FROM appointment;
INSERT INTO trail SELECT DateTStamp, 27, SecUserNumEntry, PatNum, AptNum, 1 FROM appointment
  WHERE AptStatus IN (2, 5);
INSERT INTO trail SELECT DateTimeSeated, 5, 14 + ProvNum % 9, PatNum, 0, 2 FROM appointment
  WHERE AptStatus = 2;
INSERT INTO trail SELECT DateTStamp, 23, 14 + ProvNum % 9, PatNum, ProcNum, 3 FROM procedurelog
  WHERE ProcStatus = 2 AND ProcNum % 2;
INSERT INTO trail SELECT SecDateTEdit, 15, SecUserNumEntry, PatNum, PayNum, 4 FROM payment;
INSERT INTO trail SELECT HistDateTStamp, 26, HistUserNum, PatNum, AptNum, 5 FROM histappointment
  WHERE HistApptAction = 1;

INSERT INTO securitylog
  (SecurityLogNum, PermType, UserNum, LogDateTime, LogText, PatNum, CompName, FKey, LogSource,
   DefNum, DefNumError, DateTPrevious)
SELECT ROW_NUMBER() OVER (ORDER BY At, PermType, PatNum, FKey, Event), PermType, UserNum, At,
       CASE Event WHEN 0 THEN CONCAT('Appointment ', FKey, ' made') WHEN 1
        THEN CONCAT('Appointment ', FKey, ' set to "done"')
            WHEN 2 THEN '' WHEN 3 THEN CONCAT('Procedure ', FKey, '\ttooth -') WHEN 4
             THEN CONCAT('Payment ', FKey, ' entered')
            ELSE IF(FKey % 7, 'Moved from C:\\old to\r\nnew time', NULL) END,
       PatNum, ELT(1 + UserNum % 4, 'FRONT-1', 'FRONT-2', 'ROOM-1', 'ROOM-ÄÖ'), FKey, 0, 0, 0,
       IF(Event IN (1, 5), At - INTERVAL 3 DAY, '0001-01-01')
  FROM trail;
DROP TEMPORARY TABLE trail;

-- Rows of one call, in the same order. A few early rows have no hash, as before an upgrade.
INSERT INTO securityloghash (SecurityLogHashNum, SecurityLogNum, LogHash)
SELECT SecurityLogNum - 20, SecurityLogNum,
       SHA2(CONCAT_WS('|', PermType, UserNum, LogDateTime, LogText, PatNum, FKey), 256)
  FROM securitylog WHERE SecurityLogNum > 20;
