-- The office itself: lists, people, rooms' views, price lists. Nothing here grows with the
-- number of patients.

-- definition: the lists that an office edits. Category is OpenDental's number of the list,
-- DefNum is made as 100 x Category + place so that the other files can be read.
INSERT INTO definition (DefNum, Category, ItemOrder, ItemName, ItemValue, ItemColor, IsHidden)
VALUES
  (101, 1, 1, 'Courtesy discount', '-', 0, 0),
  (102, 1, 2, 'Senior discount', '-', 0, 0),
  (103, 1, 3, 'Bad debt', '-', 0, 0),
  (104, 1, 4, 'Finance charge', '+', 0, 0),
  (105, 1, 5, 'Missed visit fee', '+', 0, 0),
  (106, 1, 6, 'Discount plan', 'dp', 0, 0),
  (107, 1, 7, 'Old ledger "correction"', '-', 0, 1),
  (201, 2, 1, 'Not called', 'N', -1, 0),
  (202, 2, 2, 'Confirmed', 'C', -16711936, 0),
  (203, 2, 3, 'Left message', 'L', -256, 0),
  (204, 2, 4, 'Arrived', 'A', -65536, 0),
  (401, 4, 1, 'Standard account', '', 0, 0),
  (402, 4, 2, 'Collections', 'C', -65536, 0),
  (403, 4, 3, 'Payment arrangement', '', 0, 0),
  (404, 4, 4, 'Courtesy\taccount', '', 0, 1),
  (1001, 10, 1, 'Cheque', '', 0, 0),
  (1002, 10, 2, 'Cash', '', 0, 0),
  (1003, 10, 3, 'Card', '', 0, 0),
  (1004, 10, 4, 'Card, online', '', 0, 0),
  (1005, 10, 5, 'Financing company', '', 0, 0),
  (1006, 10, 6, 'Refund', '', 0, 0),
  (1101, 11, 1, 'Exams & X-rays', '', 0, 0),
  (1102, 11, 2, 'Cleanings', '', 0, 0),
  (1103, 11, 3, 'Fillings', '', 0, 0),
  (1104, 11, 4, 'Root canals', '', 0, 0),
  (1105, 11, 5, 'Gums', '', 0, 0),
  (1106, 11, 6, 'Crowns & bridges', '', 0, 0),
  (1107, 11, 7, 'Removable', '', 0, 0),
  (1108, 11, 8, 'Surgery', '', 0, 0),
  (1109, 11, 9, 'Other', '', 0, 0),
  (1301, 13, 1, 'Mailed postcard', 'MailPC', 0, 0),
  (1302, 13, 2, 'Called', 'Called', 0, 0),
  (1303, 13, 3, 'Texted', 'Text', 0, 0),
  (1304, 13, 4, 'Wants no reminders', 'None', 0, 0),
  (1601, 16, 1, 'Decay', 'D', 0, 0),
  (1602, 16, 2, 'Fracture', 'Fx', 0, 0),
  (1603, 16, 3, 'Worn filling', 'W', 0, 0),
  (1801, 18, 1, 'X-rays', 'X', 0, 0),
  (1802, 18, 2, 'Letters', '', 0, 0),
  (1803, 18, 3, 'Insurance', '', 0, 0),
  (1804, 18, 4, 'Patient pictures', 'P', 0, 0),
  (2001, 20, 1, '1', '', 0, 0),
  (2002, 20, 2, '2', '', 0, 0),
  (2003, 20, 3, 'Wait', '', 0, 0),
  (2501, 25, 1, 'Lunch', '', -3355444, 0),
  (2502, 25, 2, 'Emergency', '', -65536, 0),
  (2701, 27, 1, 'Appointment', 'APPT', 0, 0),
  (2702, 27, 2, 'Insurance', '', 0, 0),
  (2703, 27, 3, 'Money', 'FIN', 0, 0),
  (2704, 27, 4, 'Recall', 'RECALL', 0, 0),
  (2705, 27, 5, 'Other', 'MISC', 0, 0),
  (2706, 27, 6, 'Text message', 'TEXT', 0, 0),
  (2901, 29, 1, 'Prepayment', '', 0, 0),
  (2902, 29, 2, 'Planned prepayment', 'X', 0, 0),
  (3001, 30, 1, 'Good', '', 0, 0),
  (3002, 30, 2, 'Guarded', '', 0, 0),
  (3101, 31, 1, 'Waiting for carrier', '', 0, 0),
  (3102, 31, 2, 'More information asked', '', 0, 0),
  (3103, 31, 3, 'Appealed', '', 0, 0),
  (3201, 32, 1, 'Cheque', 'C', 0, 0),
  (3202, 32, 2, 'Electronic transfer', 'E', 0, 0),
  (3301, 33, 1, 'Normal', 'D', -1, 0),
  (3302, 33, 2, 'Urgent', '', -65536, 0),
  (3501, 35, 1, 'General', '', 0, 0),
  (3502, 35, 2, 'Hygienist', '', 0, 0),
  (3503, 35, 3, 'Root canal specialist', '', 0, 0),
  (3504, 35, 4, 'Surgeon', '', 0, 0),
  (3505, 35, 5, 'Orthodontist', '', 0, 0),
  (3801, 38, 1, 'Verified', '', 0, 0),
  (3802, 38, 2, 'Needs a call', '', 0, 0),
  (3901, 39, 1, 'River side', '', 0, 0);

INSERT INTO clinic
  (ClinicNum, Description, Address, City, State, Zip, Phone, Fax, DefaultProv, InsBillingProv,
   Region, ItemOrder, Abbr, IsConfirmEnabled, IsHidden, TimeZone, SmsMonthlyLimit, ExternalID)
VALUES
  (1, 'Lindenmere', '12 Sample Street', 'Lindenmere', 'ZZ', '00101', '5550100', '5550101',
   1, 10, 3901, 1, 'LIN', 1, 0, '', 250.5, 9007199254740993),
  (2, 'Quarrygate', '7 Example Road', 'Quarrygate', 'ZZ', '00102', '5550102', '5550103',
   3, 10, 3901, 2, 'QUA', 1, 0, '', 0.1 + 0.2, 9223372036854775807),
  (3, 'Old Harbour (closed)', '', '', '', '', '', '', 1, 10, 0, 3, 'OLD', 0, 1, '', 0, 0);

INSERT INTO employee
  (EmployeeNum, LName, FName, MiddleI, IsHidden, ClockStatus, PhoneExt, EmailWork, ReportsTo)
SELECT seq, ELT(seq, 'Vellmark', 'Ostgate', 'Fenwyk', 'Quillby', 'Dramere', 'Torlow', 'Luxford',
                'Halden', 'Brambery', 'Nimstone', 'Zelwick', 'Ardeton'),
       ELT(seq, 'Ada', 'Bo', 'Cleo', 'Dov', 'Ezra', 'Fay', 'Gil', 'Hope', 'Ivo', 'June', 'Kit',
           'Lou'),
       '', seq = 12, IF(seq % 3 = 0, 'Home', 'Working'), 100 + seq,
       CONCAT('staff', seq, '@example.com'), IF(seq = 1, 0, 1)
  FROM seq_1_to_12;

-- Providers 1 to 5 are dentists, 6 to 9 hygienists, 10 the office as a biller, 11 has left.
INSERT INTO provider
  (ProvNum, Abbr, ItemOrder, LName, FName, Suffix, FeeSched, Specialty, SSN, StateLicense,
   IsSecondary, ProvColor, IsHidden, SigOnFile, NationalProvID, DateTStamp, IsNotPerson,
   ProvStatus, IsHiddenReport, Birthdate, HourlyProdGoalAmt, DateTerm, PreferredName)
SELECT seq, ELT(seq, 'DR1', 'DR2', 'DR3', 'DR4', 'DR5', 'HY1', 'HY2', 'HY3', 'HY4', 'OFF', 'EX1'),
       seq, ELT(seq, 'Ambermoor', 'Bellweather', 'Çelikdal', 'Dunmarrow', 'Eskelund', 'Farrowby',
                'Gildenhall', 'Hawkmere', 'Ilvesoja', 'Example Dental', 'Jarrowick'),
       ELT(seq, 'Nova', 'Orin', 'Pia', 'Quade', 'Runa', 'Sol', 'Tess', 'Ulf', 'Vera', '', 'Wim'),
       IF(seq <= 5, 'DMD', IF(seq <= 9, 'RDH', '')), 1, IF(seq BETWEEN 6 AND 9, 3502, 3501), '',
       IF(seq = 10, '', CONCAT('ZZ-', 10000 + seq)), seq BETWEEN 6 AND 9, 0 - 1000 * seq, seq = 11,
       1,
       IF(seq = 10, '', CONCAT('00000000', 10 + seq)), '2021-01-04 08:00:00', seq = 10,
       seq = 11, seq = 11, IF(seq = 10, '0001-01-01', MAKEDATE(1960 + 3 * seq, 20 * seq)),
       IF(seq <= 5, 512.35, IF(seq <= 9, 1 / 3 * 500, 0)),
       IF(seq = 11, '2022-03-31', '0001-01-01'), ''
  FROM seq_1_to_11;

INSERT INTO usergroup (UserGroupNum, Description, UserGroupNumCEMT)
VALUES (1, 'Administrators', 0), (2, 'Front desk', 0), (3, 'Clinical', 0), (4, 'Billing', 0);

INSERT INTO userod
  (UserNum, UserName, Password, EmployeeNum, ClinicNum, ProvNum, IsHidden, TaskListInBox,
   AnesthProvType, PasswordIsStrong, DateTLastLogin, DateTFail, FailedAttempts, BadgeId)
SELECT seq, IF(seq = 1, 'admin', IF(seq <= 13, CONCAT('desk', seq - 1), CONCAT('chair', seq - 13))),
       '', IF(seq BETWEEN 2 AND 13, seq - 1, 0), IF(seq % 4 = 0, 1 + seq % 2, 0),
       IF(seq > 13, seq - 13, 0), seq = 13, IF(seq BETWEEN 2 AND 6, seq - 1, 0), 3, 1,
       IF(seq = 13, '0001-01-01', @today + INTERVAL 7 HOUR + INTERVAL seq MINUTE),
       '0001-01-01', seq % 7 = 0, ''
  FROM seq_1_to_22;

INSERT INTO usergroupattach (UserGroupAttachNum, UserNum, UserGroupNum)
SELECT seq, seq, IF(seq = 1, 1, IF(seq <= 9, 2, IF(seq <= 13, 4, 3))) FROM seq_1_to_22
UNION ALL SELECT 23, 2, 1 UNION ALL SELECT 24, 3, 4;

INSERT INTO userodpref (UserOdPrefNum, UserNum, Fkey, FkeyType, ValueString, ClinicNum)
SELECT seq, 1 + seq % 22, seq % 5, seq % 8,
       ELT(1 + seq % 5, '', 'True', '<a b="c">1</a>', 'C:\\temp\\export\\',
           'first\r\nsecond\tcell'),
       seq % 3
  FROM seq_1_to_110;

INSERT INTO apptview
  (ApptViewNum, Description, ItemOrder, RowsPerIncr, OnlyScheduledProvs, OnlySchedBeforeTime,
   OnlySchedAfterTime, StackBehavUR, StackBehavLR, ClinicNum, ApptTimeScrollStart,
   IsScrollStartDynamic, WidthOpMinimum, WaitingRmName)
VALUES
  (1, 'Everybody', 0, 1, 0, '00:00:00', '00:00:00', 0, 0, 0, '08:00:00', 0, 0, 0),
  (2, 'Dentists', 1, 1, 1, '00:00:00', '00:00:00', 1, 0, 1, '07:30:00', 1, 50, 1),
  (3, 'Hygiene, mornings', 2, 2, 1, '12:00:00', '00:00:00', 0, 1, 1, '08:00:00', 0, 0, 0),
  (4, 'Quarrygate', 3, 1, 0, '00:00:00', '12:30:00', 0, 0, 2, '08:00:00', 0, 120, 0);

INSERT INTO userodapptview (UserodApptViewNum, UserNum, ClinicNum, ApptViewNum)
SELECT seq, seq, seq % 3, 1 + seq % 4 FROM seq_1_to_22;

INSERT INTO appointmenttype
  (AppointmentTypeNum, AppointmentTypeName, AppointmentTypeColor, ItemOrder, IsHidden, Pattern,
   CodeStr, CodeStrRequired, RequiredProcCodesNeeded, BlockoutTypes)
VALUES
  (1, 'New patient', -16744193, 0, 0, '//XXXXXXXX//', 'D0150,D0210', '', 0, ''),
  (2, 'Hygiene', -16711936, 1, 0, '/XXXXXXXX/', 'D0120,D1110', 'D1110', 1, ''),
  (3, 'Treatment', -65536, 2, 0, '/XXXXXXXXXX/', '', '', 0, '2502'),
  (4, 'Emergency', -256, 3, 0, '/XXXX/', 'D0140', '', 0, '2502'),
  (5, 'Ortho (retired)', 0, 4, 1, '', '', '', 0, '');

INSERT INTO feesched
  (FeeSchedNum, Description, FeeSchedType, ItemOrder, IsHidden, IsGlobal, SecUserNumEntry,
   SecDateEntry, SecDateTEdit)
VALUES
  (1, 'Office fees', 0, 0, 0, 1, 1, '2021-01-04', '2023-12-29 17:05:00'),
  (2, 'Northwind network', 0, 1, 0, 1, 1, '2021-01-04', '2023-12-29 17:06:00'),
  (3, 'Southgate network', 0, 2, 0, 1, 1, '2021-01-04', '2023-12-29 17:07:00'),
  (4, 'Public programme', 0, 3, 0, 1, 1, '2021-01-04', '2023-12-29 17:08:00'),
  (5, 'Allowed, out of network', 2, 4, 0, 1, 1, '2021-01-04', '2022-05-02 09:00:00'),
  (6, 'Office fees 2019', 0, 5, 1, 0, 0, '0001-01-01', '2021-01-04 08:00:00');

INSERT INTO feeschedgroup (FeeSchedGroupNum, Description, FeeSchedNum, ClinicNums)
VALUES (1, 'Both sites, Northwind', 2, '1,2'), (2, 'Closed site', 6, '3');

INSERT INTO recalltype
  (RecallTypeNum, Description, DefaultInterval, TimePattern, Procedures, AppendToSpecial)
VALUES  -- DefaultInterval packs days, weeks, months and years into one byte each
  (1, 'Cleaning', 393216, '/XXXXXXXX/', 'D0120,D1110', 0),
  (2, 'Child cleaning', 393216, '/XXXXXX/', 'D0120,D1120,D1206', 0),
  (3, 'Gum maintenance', 196608, '/XXXXXXXXXX/', 'D4910', 0),
  (4, 'Bitewing films', 16777216, '', 'D0274', 1),
  (5, 'Full set of films', 83886080, '', 'D0210', 1);

INSERT INTO codegroup
  (CodeGroupNum, GroupName, ProcCodes, ItemOrder, CodeGroupFixed, IsHidden, ShowInAgeLimit)
VALUES
  (1, 'Bitewings', 'D0272,D0274', 0, 1, 0, 0), (2, 'Full set', 'D0210,D0330', 1, 2, 0, 0),
  (3, 'Exams', 'D0120,D0150', 2, 3, 0, 0), (4, 'Cleanings', 'D1110,D1120', 3, 4, 0, 0),
  (5, 'Fluoride', 'D1206', 4, 5, 0, 1), (6, 'Sealants', 'D1351', 5, 6, 0, 1);

INSERT INTO autocode (AutoCodeNum, Description, IsHidden, LessIntrusive)
VALUES (1, 'Silver filling', 1, 0), (2, 'White filling', 0, 0), (3, 'Root canal', 0, 1),
       (4, 'Crown', 0, 1);

INSERT INTO payperiod (PayPeriodNum, DateStart, DateStop, DatePaycheck)
SELECT seq, @opened + INTERVAL 14 * (seq - 1) DAY, @opened + INTERVAL 14 * seq - 1 DAY,
       @opened + INTERVAL 14 * seq + 4 DAY
  FROM seq_1_to_96;

-- RegHours and OTimeHours are durations: some negative, some above 24 hours.
INSERT INTO timeadjust
  (TimeAdjustNum, EmployeeNum, TimeEntry, RegHours, OTimeHours, Note, IsAuto, ClinicNum,
   PtoDefNum, PtoHours, IsUnpaidProtectedLeave, SecuUserNumEntry)
SELECT seq, 1 + seq % 12, @opened + INTERVAL 4 * seq DAY + INTERVAL 17 HOUR,
       CASE seq % 6 WHEN 0 THEN '-40:00:00' WHEN 1 THEN '-00:30:00' WHEN 2 THEN '38:45:10'
                    WHEN 3 THEN '00:00:00' WHEN 4 THEN '120:00:00' ELSE '08:00:01' END,
       CASE seq % 6 WHEN 0 THEN '40:00:00' WHEN 1 THEN '00:30:00' ELSE '00:00:00' END,
       IF(seq % 5 = 0, NULL, IF(seq % 5 = 1, '', 'Weekly "overtime" \\ moved')),
       seq % 4 = 0, seq % 3, IF(seq % 11 = 0, 1, 0), IF(seq % 11 = 0, '08:00:00', '00:00:00'),
       seq % 97 = 0, 1
  FROM seq_1_to_300;

INSERT INTO program
  (ProgramNum, ProgName, ProgDesc, Enabled, Path, CommandLine, Note, PluginDllName,
   IsDisabledByHq)
VALUES
  (1, 'FilmViewer', 'Film viewer', 1, 'C:\\Viewer\\new\\viewer.exe', '-p "[PatNum]"', NULL, '', 0),
  (2, 'TextSender', 'Text messages', 1, '', '', 'line one\nline two', '', 0),
  (3, 'CardReader', 'Card terminal', 1, '\\\\server\\share', '', '', '', 0),
  (4, 'OldBridge', 'Bridge of the former program', 0, '', '', NULL, 'Old.dll', 1);

INSERT INTO programproperty
  (ProgramPropertyNum, ProgramNum, PropertyDesc, PropertyValue, ComputerName, ClinicNum, IsMasked)
SELECT seq, 1 + seq % 4, CONCAT('Setting ', seq),
       ELT(1 + seq % 6, '0', '1', '', NULL, 'C:\\Films\\', '{"a": [1, 2], "b": "\\t"}'),
       IF(seq % 9 = 0, 'FRONT-1', ''), seq % 3, seq % 10 = 0
  FROM seq_1_to_60;

INSERT INTO tasklist
  (TaskListNum, Descript, Parent, DateTL, IsRepeating, DateType, FromNum, ObjectType,
   DateTimeEntry, GlobalTaskFilterType, TaskListStatus)
SELECT seq, ELT(seq, 'Front desk', 'Billing', 'Dentists', 'Hygiene', 'Manager', 'Billing / appeals',
                'Ideas', 'Archive'),
       IF(seq = 6, 2, 0), '0001-01-01', 0, 0, 0, seq % 3, '2021-01-04 08:00:00', 1, seq = 8
  FROM seq_1_to_8;

INSERT INTO zipcode (ZipCodeNum, ZipCodeDigits, City, State, IsFrequent)
SELECT seq, LPAD(100 + seq, 5, '0'),
       CONCAT(ELT(1 + seq % 8, 'Linden', 'Quarry', 'Amber', 'Fox', 'Mill', 'Stone', 'Elm', 'Raven'),
              ELT(1 + seq DIV 8, 'mere', 'gate', 'ford', 'hollow', 'wick', 'by')),
       'ZZ', seq <= 5
  FROM seq_1_to_40;

INSERT INTO cpt (CptNum, CptCode, Description, VersionIDs)
SELECT seq, CONCAT('9', 9900 + seq), CONCAT('Medical service, sample ', seq), '2024'
  FROM seq_1_to_25;

INSERT INTO sheetfielddef
  (SheetFieldDefNum, SheetDefNum, FieldType, FieldName, FieldValue, FontSize, FontName,
   FontIsBold, XPos, YPos, Width, Height, GrowthBehavior, RadioButtonValue, RadioButtonGroup,
   IsRequired, TabOrder, ReportableName, ItemColor)
SELECT seq, 1 + seq % 3, ELT(1 + seq % 4, 0, 1, 2, 8), CONCAT('field', seq),
       IF(seq % 4 = 2, CONCAT('Question ', seq, '?'), ''), 8.1 + seq % 3 / 10, 'Arial', seq % 4 = 2,
       20 + 40 * (seq % 9), 30 * seq, 120, 15, 0, IF(seq % 4 = 3, ELT(1 + seq % 2, 'Y', 'N'), ''),
       IF(seq % 4 = 3, CONCAT('group', seq DIV 8), ''), seq % 5 = 0, seq, '', -16777216
  FROM seq_1_to_90;

-- Who opened the program, several times a working day.
INSERT INTO entrylog (EntryLogNum, UserNum, FKeyType, FKey, LogSource, EntryDateTime)
SELECT ROW_NUMBER() OVER (ORDER BY d.seq, k.seq), 1 + dice(entryuser, d.seq, k.seq) % 22,
       dice(entrytype, d.seq, k.seq) % 3, dice(entrykey, d.seq, k.seq) % 1000, 0,
       @opened + INTERVAL d.seq DAY + INTERVAL 7 * 60 + 90 * k.seq + dice(entryat, d.seq,
           k.seq) % 90 MINUTE
  FROM seq_0_to_1271 d JOIN seq_0_to_2 k
 WHERE DAYOFWEEK(@opened + INTERVAL d.seq DAY) <> 1;
