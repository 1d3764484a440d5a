-- Families of patients. The temporary table person keeps what the later files need to know
-- about a patient's life with the office.

CREATE TEMPORARY TABLE person (
  PatNum bigint PRIMARY KEY, Guarantor bigint, Age int, Birthdate date, Status int,
  Since date, FirstHere date, LastHere date, ClinicNum int, ProvNum int, Hygienist int,
  IntervalDays int, KEY (Guarantor)
) ENGINE=MyISAM;

-- Four in ten head a family; the others belong to the head before them. Heads are 22 to 88,
-- mostly middle-aged; the next in line is often a spouse, the others are children. (A running SUM
-- numbers the families: a running MAX takes quadratic time, measured on MariaDB 10.11.)
INSERT INTO person (PatNum, Guarantor, Age)
SELECT PatNum, Guarantor,
       CASE WHEN PatNum = Guarantor THEN HeadAge
            WHEN PatNum = Guarantor + 1 AND dice(spouse, PatNum) % 100 < 65
              THEN GREATEST(20, HeadAge - 5 + dice(spouseage, PatNum) % 11)
            ELSE GREATEST(1 + dice(baby, PatNum) % 17,
                          HeadAge - 22 - dice(childage, PatNum) % 16) END
  FROM (SELECT PatNum, Guarantor,
               22 + dice(headage, Guarantor) % 34 + dice(headage2, Guarantor) % 34 AS HeadAge
          FROM (SELECT PatNum,
                FIRST_VALUE(PatNum) OVER (PARTITION BY Family ORDER BY PatNum) AS Guarantor
                  FROM (SELECT seq AS PatNum,
                               SUM(seq = 1 OR dice(head,
                                                   seq) % 100 < 42) OVER (ORDER BY seq) AS Family
                          FROM seq_1_to_100000000
                           WHERE seq <= @patients) AS queue) AS family) AS member;

-- PatStatus: 0 patient, 1 non-patient, 2 inactive, 3 archived, 4 deleted, 5 deceased,
-- 6 prospective.
UPDATE person SET
  Birthdate = @today - INTERVAL Age YEAR - INTERVAL dice(birthday, PatNum) % 364 DAY,
  Status = CASE WHEN dice(status, PatNum) % 1000 < 790 THEN 0
                WHEN dice(status, PatNum) % 1000 < 910 THEN 2
                WHEN dice(status, PatNum) % 1000 < 945 THEN 3
                WHEN dice(status, PatNum) % 1000 < 955 THEN 4
                WHEN dice(status, PatNum) % 1000 < 980 THEN IF(Age > 45, 5, 0)
                WHEN dice(status, PatNum) % 1000 < 990 THEN IF(PatNum = Guarantor, 1, 0)
                ELSE 6 END,
  Since = IF(dice(known, Guarantor) % 100 < 55,
             DATE '2008-01-01' + INTERVAL dice(since, Guarantor) % 4700 DAY,
             @opened + INTERVAL dice(since, Guarantor) % 1240 DAY),
  ClinicNum = CASE WHEN dice(clinic, Guarantor) % 100 < 62 THEN 1
                   WHEN dice(clinic, Guarantor) % 100 < 97 THEN 2 ELSE 0 END,
  ProvNum = 1 + dice(provider, Guarantor) % 5,
  Hygienist = 6 + dice(hygienist, PatNum) % 4,
  IntervalDays = IF(Age < 16 OR dice(interval, PatNum) % 100 < 70, 182,
                    ELT(1 + dice(interval2, PatNum) % 3, 92, 120, 365));

-- A few families of each end of the list, so that every practice has them.
UPDATE person SET Status = 5 WHERE PatNum = Guarantor AND PatNum % 50 = 1 AND PatNum > 1;
UPDATE person SET Status = 3 WHERE PatNum = Guarantor AND PatNum % 50 = 7;

UPDATE person SET Since = GREATEST(Since, Birthdate + INTERVAL 1 YEAR);
UPDATE person SET FirstHere = GREATEST(Since,
                                       @opened + INTERVAL dice(firsthere,
                                           PatNum) % IntervalDays DAY);
UPDATE person SET LastHere = CASE
    WHEN Status IN (1, 6) THEN '0001-01-01'
    WHEN Status = 0 THEN @today + INTERVAL 200 DAY
    ELSE FirstHere + INTERVAL dice(lasthere, PatNum) % GREATEST(1,
        DATEDIFF(@today, FirstHere)) DAY END;

INSERT INTO employer (EmployerNum, EmpName, Address, Address2, City, State, Zip, Phone)
SELECT seq, CONCAT(ELT(1 + dice(emp, seq) % 8, 'Amber', 'Blue', 'Cedar', 'Delta', 'Echo', 'Fjord',
                       'Granite',
                       'Héron'), ' ',
                   ELT(1 + dice(emp2, seq) % 7, 'Bakery', 'Logistics', 'School "No. 5"', 'Works',
                       'Farms',
                       'Textiles', 'O''Studio')),
       CONCAT(seq, ' Invented Avenue'), '', 'Lindenmere', 'ZZ', '00101', IF(seq % 3, '5550140', '')
  FROM seq_1_to_1000000 WHERE seq <= GREATEST(10, @patients DIV 20);

INSERT INTO patient
  (PatNum, LName, FName, MiddleI, Preferred, PatStatus, Gender, Position, Birthdate, SSN, Address,
   Address2, City, State, Zip, HmPhone, WkPhone, WirelessPhone, Guarantor, CreditType, Email,
   Salutation, PriProv, SecProv, FeeSched, BillingType, ImageFolder, AddrNote, FamFinUrgNote,
   MedUrgNote, ApptModNote, StudentStatus, SchoolName, ChartNumber, EmployerNum, County,
   GradeLevel, Urgency, DateFirstVisit, ClinicNum, HasIns, Premed, PreferConfirmMethod,
   PreferContactMethod, PreferRecallMethod, SchedBeforeTime, SchedAfterTime, SchedDayOfWeek,
   Language, Title, DateTStamp, AskToArriveEarly, TxtMsgOk, DateTimeDeceased, SecUserNumEntry,
   SecDateEntry)
SELECT
  p.PatNum,
  CASE WHEN dice(odd, p.Guarantor) % 40 = 0
       THEN ELT(1 + dice(odd2, p.Guarantor) % 8, 'Ñandúvez', 'Żelmirska', 'Ωρίωνος', 'Снегоградов',
                'O''Quillan', 'van der Lumme', 'Brâncușel', 'Ødegårdvik')
       ELSE CONCAT(ELT(1 + dice(name, p.Guarantor) % 16, 'Bram', 'Vel', 'Tor', 'Quin', 'Marl', 'Os',
                       'Hal',
                       'Fen', 'Dra', 'Lum', 'Kest', 'Ivor', 'Zel', 'Nim', 'Gart', 'Eld'),
                   ELT(1 + dice(name2, p.Guarantor) % 14, 'berry', 'wick', 'ford', 'stone', 'low',
                       'den',
                       'mere', 'ton', 'gate', 'by', 'shaw', 'combe', 'hurst', 'vale')) END,
  ELT(1 + dice(given, p.PatNum) % 24, 'Ada', 'Bela', 'Ciro', 'Dena', 'Emil', 'Fee', 'Gus', 'Hedda',
      'Ivo',
      'Jana', 'Kees', 'Lia', 'Milo', 'Noor', 'Otto', 'Pia', 'Renée', 'Søren', 'Timo', 'Una', 'Vito',
      'Wren',
      'Yara', 'Zoë'),
  IF(dice(middle, p.PatNum) % 3, '', CHAR(65 + dice(middle, p.PatNum) % 26 USING utf8mb3)),
  IF(dice(nick, p.PatNum) % 12, '', ELT(1 + dice(nick, p.PatNum) % 4, 'Bo', '"Ace"', 'Jo ', 'Mäx')),
  p.Status, IF(dice(gender, p.PatNum) % 100 < 3, 2, dice(gender, p.PatNum) % 2),
  CASE WHEN p.Age < 18 THEN 2 WHEN dice(married, p.Guarantor) % 2 THEN 1 ELSE 0 END,
  CASE WHEN p.PatNum % 211 = 0 THEN '0001-01-01' WHEN p.PatNum % 401 = 0 THEN '1900-01-01'
       ELSE p.Birthdate END,
  IF(p.PatNum % 50, '', CONCAT('000', LPAD(p.PatNum % 1000000, 6, '0'))),
  CONCAT(1 + dice(house, p.Guarantor) % 299, ' ',
         ELT(1 + dice(street, p.Guarantor) % 6, 'Sample Street', 'Example Road', 'Invented Avenue',
             'Nowhere Lane', 'Placeholder Way', 'Straße der Proben')),
  CASE WHEN dice(flat, p.Guarantor) % 9 THEN ''
   ELSE CONCAT('Apt ', dice(flat, p.Guarantor) % 40) END,
  IF(p.ClinicNum = 2, 'Quarrygate', 'Lindenmere'), 'ZZ',
  LPAD(101 + dice(zip, p.Guarantor) % 5, 5, '0'),
  CONCAT('(555)555-01', LPAD(dice(phone, p.Guarantor) % 100, 2, '0')), '',
  IF(dice(mobile, p.PatNum) % 5, CONCAT('555-555-01', LPAD(dice(mobile, p.PatNum) % 100, 2, '0')),
     ''),
  p.Guarantor, IF(dice(credit, p.PatNum) % 20, '',
                  ELT(1 + dice(credit, p.PatNum) % 3, 'A', 'B', 'X')),
  IF(p.Age > 15 AND dice(email, p.PatNum) % 3, CONCAT('patient', p.PatNum, '@example.com'), ''), '',
  p.ProvNum, p.Hygienist, IF(dice(ownsched, p.Guarantor) % 60, 0, 4),
  CASE WHEN dice(billing, p.Guarantor) % 100 < 3 THEN 402
       WHEN dice(billing, p.Guarantor) % 100 < 7 THEN 403 ELSE 401 END,
  CONCAT('Folder', p.PatNum),
  CASE p.PatNum % 17 WHEN 0 THEN NULL WHEN 1 THEN 'Ring twice\r\nDog in the yard' ELSE '' END,
  CASE p.PatNum % 31 WHEN 0 THEN NULL WHEN 1 THEN 'Pays\tin cash' WHEN 2 THEN 'NULL' ELSE '' END,
  CASE dice(medurg, p.PatNum) % 25 WHEN 0 THEN 'Allergic to \\N' WHEN 1 THEN 'Heart; "premed"'
   ELSE '' END,
  IF(p.PatNum % 37 = 0, 'Afternoons only  ', ''), IF(p.Age BETWEEN 18 AND 23, 'F', ''),
  IF(p.Age BETWEEN 18 AND 23, 'Example College', ''), IF(p.PatNum % 4, '', CONCAT('C', p.PatNum)),
  IF(p.Age BETWEEN 20 AND 66 AND dice(works, p.PatNum) % 10 < 6,
     1 + dice(employer, p.PatNum) % GREATEST(10, @patients DIV 20), 0),
  IF(p.PatNum % 8, '', 'Sample County'), IF(p.Age BETWEEN 6 AND 17, p.Age - 5, 0),
  p.PatNum % 200 = 0,
  IF(p.LastHere = '0001-01-01', '0001-01-01', p.Since), p.ClinicNum, '',
  dice(premed, p.PatNum) % 40 = 0,
  dice(confirm, p.PatNum) % 9, dice(contact, p.PatNum) % 9, dice(remind, p.PatNum) % 9,
  IF(p.PatNum % 9, NULL, '12:00:00'), IF(p.PatNum % 9 = 3, '15:30:00', NULL), p.PatNum % 7,
  CASE p.PatNum % 20 WHEN 0 THEN 'es' WHEN 1 THEN '' ELSE 'en' END,
  CASE p.PatNum % 13 WHEN 0 THEN 'Dr' WHEN 1 THEN '' ELSE NULL END,
  GREATEST(@opened, LEAST(p.Since, @today)) + INTERVAL 32400 + dice(patstamp,
      p.PatNum) % 25000 SECOND,
  IF(p.PatNum % 29, 0, 15), dice(textok, p.PatNum) % 3,
  IF(p.Status = 5, p.LastHere + INTERVAL 40 * 60 MINUTE, '0001-01-01'),
  1 + dice(patuser, p.PatNum) % 9, p.Since
FROM person p;

INSERT INTO patientnote
  (PatNum, FamFinancial, ApptPhone, Medical, Service, MedicalComp, Treatment, ICEName, ICEPhone,
   SecDateTEntry, SecDateTEdit, Consent, Pronoun)
SELECT PatNum,
       CASE WHEN PatNum = Guarantor AND PatNum % 5 = 0
        THEN 'Sends half at the end of the month.\nAsk first.'
            WHEN PatNum % 3 THEN '' ELSE NULL END,
       NULL, ELT(1 + dice(note, PatNum) % 5, '', NULL, 'Nervous; likes music',
                 'Gags, use small films', ''),
       '', IF(Age > 60, 'See the list of drugs', ''), ELT(1 + dice(note2, PatNum) % 4, '', '', NULL,
       'Prefers tooth-coloured \\ "white" fillings'), '', '',
       GREATEST(Since, @opened) + INTERVAL 9 HOUR,
       GREATEST(Since, @opened) + INTERVAL 9 * 60 + dice(notestamp, PatNum) % 480 MINUTE,
       dice(consent, PatNum) % 2, dice(pronoun, PatNum) % 4
  FROM person;

-- Charts that were entered twice and merged, or cloned for a specialist.
INSERT INTO patientlink (PatientLinkNum, PatNumFrom, PatNumTo, LinkType, DateTimeLink)
SELECT ROW_NUMBER() OVER (ORDER BY PatNum), PatNum, Guarantor, dice(link, PatNum) % 2,
       GREATEST(Since, @opened) + INTERVAL 15 HOUR
  FROM person WHERE PatNum <> Guarantor AND (Status = 4 OR PatNum % 30 = 0);

INSERT INTO allergy
  (AllergyNum, AllergyDefNum, PatNum, Reaction, StatusIsActive, DateTStamp, DateAdverseReaction,
   SnomedReaction)
SELECT ROW_NUMBER() OVER (ORDER BY PatNum, seq), 1 + dice(allergy, PatNum, seq) % 12, PatNum,
       ELT(1 + dice(reaction, PatNum, seq) % 5, '', 'Rash', 'Swelling, "hives"',
           'naïve report: itch', 'Nausea'),
       dice(allergyon, PatNum, seq) % 10 > 0,
       GREATEST(Since, @opened) + INTERVAL 9 * 60 + dice(allergyat, PatNum, seq) % 480 MINUTE,
       IF(dice(reactionday, PatNum) % 4, '0001-01-01', Since - INTERVAL 400 DAY), ''
  FROM person JOIN seq_1_to_2 WHERE dice(hasallergy, PatNum, seq) % 100 < IF(seq = 1, 22, 4);

INSERT INTO disease
  (DiseaseNum, PatNum, DiseaseDefNum, PatNote, DateTStamp, ProbStatus, DateStart, DateStop,
   SnomedProblemType, FunctionStatus)
SELECT ROW_NUMBER() OVER (ORDER BY PatNum, seq), PatNum, 1 + dice(disease, PatNum, seq) % 15,
       ELT(1 + dice(diseasenote, PatNum, seq) % 4, '', NULL, 'Since youth', 'Controlled\tby diet'),
       GREATEST(Since, @opened) + INTERVAL 9 * 60 + dice(diseaseat, PatNum, seq) % 480 MINUTE,
       dice(problem, PatNum, seq) % 20 DIV 9, IF(dice(diseaseday, PatNum, seq) % 2, '0001-01-01',
       Since - INTERVAL 700 DAY), '0001-01-01', '', 0
  FROM person JOIN seq_1_to_3 WHERE dice(hasdisease, PatNum, seq) % 100 < Age DIV 2;
