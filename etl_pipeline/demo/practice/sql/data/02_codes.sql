-- Procedure codes, their prices, drugs, allergies, problems: what a chart refers to. The
-- descriptions are ours; the official texts of the codes belong to their publisher.

CREATE TEMPORARY TABLE codelist (
  CodeNum int AUTO_INCREMENT PRIMARY KEY,
  ProcCode varchar(15) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin,
  Descript varchar(100), AbbrDesc varchar(30), ProcCat int, TreatArea int, Coverage int,
  Price double
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3;

-- TreatArea: 1 surface, 2 tooth, 3 mouth, 4 quadrant, 6 arch. Coverage: percent that a usual
-- plan pays. Price: the office's own.
INSERT INTO codelist (ProcCode, Descript, AbbrDesc, ProcCat, TreatArea, Coverage, Price) VALUES
  ('D0120', 'Check-up of a known patient', 'CheckUp', 1101, 3, 100, 62),
  ('D0140', 'Short exam for one problem', 'ShortEx', 1101, 3, 100, 88),
  ('D0145', 'Exam of a child under three', 'BabyEx', 1101, 3, 100, 70),
  ('D0150', 'Full exam, first visit', 'FullEx', 1101, 3, 100, 109),
  ('D0180', 'Exam with all gum depths', 'GumEx', 1101, 3, 100, 118),
  ('D0210', 'Films of the whole mouth', 'FMX', 1101, 3, 100, 158.5),
  ('D0220', 'One film at a root', 'PA', 1101, 2, 100, 34),
  ('D0230', 'Each further root film', 'PA+', 1101, 2, 100, 29.5),
  ('D0272', 'Two bite films', '2BW', 1101, 3, 100, 48),
  ('D0274', 'Four bite films', '4BW', 1101, 3, 100, 73),
  ('D0330', 'Panorama film', 'Pano', 1101, 3, 100, 132),
  ('D0350', 'Photograph, in or out of the mouth', 'Photo', 1101, 3, 0, 25),
  ('D0431', 'Screening light for soft tissue', 'Screen', 1101, 3, 0, 35),
  ('D0460', 'Test of the nerve', 'Vital', 1101, 3, 80, 42),
  ('D1110', 'Cleaning, grown-up', 'Clean', 1102, 3, 100, 104),
  ('D1120', 'Cleaning, child', 'CleanCh', 1102, 3, 100, 76),
  ('D1206', 'Fluoride varnish', 'FlVarn', 1102, 3, 100, 41.75),
  ('D1330', 'Lesson in home care', 'Lesson', 1102, 3, 0, 0),
  ('D1351', 'Seal of the grooves', 'Seal', 1102, 2, 100, 58),
  ('D1510', 'Keeper of a gap, one side', 'Keeper', 1102, 4, 80, 325),
  ('D2140', 'Silver filling, one side', 'Am1', 1103, 1, 80, 148),
  ('D2150', 'Silver filling, two sides', 'Am2', 1103, 1, 80, 186),
  ('D2330', 'White filling in front, one side', 'FrC1', 1103, 1, 80, 172),
  ('D2331', 'White filling in front, two sides', 'FrC2', 1103, 1, 80, 209),
  ('D2391', 'White filling behind, one side', 'BaC1', 1103, 1, 80, 189),
  ('D2392', 'White filling behind, two sides', 'BaC2', 1103, 1, 80, 238.25),
  ('D2393', 'White filling behind, three sides', 'BaC3', 1103, 1, 80, 289),
  ('D2740', 'Crown of ceramic', 'CrnCer', 1106, 2, 50, 1285),
  ('D2750', 'Crown of ceramic on precious metal', 'CrnPFM', 1106, 2, 50, 1240),
  ('D2790', 'Crown of precious metal', 'CrnGold', 1106, 2, 50, 1310),
  ('D2920', 'Crown set again', 'Recem', 1106, 2, 80, 118),
  ('D2930', 'Steel crown, milk tooth', 'SSC', 1106, 2, 80, 285),
  ('D2950', 'Core under a crown', 'Core', 1106, 2, 50, 298),
  ('D2954', 'Ready post and core', 'Post', 1106, 2, 50, 378),
  ('D3110', 'Cap on an open nerve', 'PCap', 1104, 2, 80, 88),
  ('D3220', 'Nerve removed from a milk tooth', 'Pulpot', 1104, 2, 80, 215),
  ('D3310', 'Root canal, front tooth', 'RCF', 1104, 2, 80, 795),
  ('D3320', 'Root canal, premolar', 'RCP', 1104, 2, 80, 920),
  ('D3330', 'Root canal, molar', 'RCM', 1104, 2, 80, 1145),
  ('D4341', 'Deep cleaning, a quarter of the mouth', 'Deep4', 1105, 4, 80, 262),
  ('D4342', 'Deep cleaning, few teeth', 'Deep1', 1105, 4, 80, 189),
  ('D4355', 'Coarse cleaning before an exam', 'Coarse', 1105, 3, 80, 178),
  ('D4381', 'Drug in a gum pocket', 'Drug', 1105, 2, 50, 79.9),
  ('D4910', 'Care after gum treatment', 'GumCare', 1105, 3, 80, 148),
  ('D5110', 'Full denture, upper', 'FUD', 1107, 6, 50, 1690),
  ('D5120', 'Full denture, lower', 'FLD', 1107, 6, 50, 1690),
  ('D5213', 'Part denture on metal, upper', 'PUD', 1107, 6, 50, 1760),
  ('D5214', 'Part denture on metal, lower', 'PLD', 1107, 6, 50, 1760),
  ('D5750', 'Denture relined in the laboratory', 'Reline', 1107, 6, 50, 465),
  ('D6010', 'Implant body', 'Impl', 1108, 2, 0, 2150),
  ('D6057', 'Made-to-measure implant post', 'Abut', 1106, 2, 0, 845),
  ('D6058', 'Ceramic crown on an implant', 'ImpCrn', 1106, 2, 50, 1495),
  ('D6240', 'Bridge tooth', 'Pontic', 1106, 2, 50, 1235),
  ('D6750', 'Bridge crown', 'Retain', 1106, 2, 50, 1245),
  ('D7140', 'Tooth taken out', 'Ext', 1108, 2, 80, 198),
  ('D7210', 'Tooth taken out, surgical', 'SurgExt', 1108, 2, 80, 312),
  ('D7240', 'Buried tooth taken out', 'Impact', 1108, 2, 80, 478),
  ('D7953', 'Bone added after a tooth is out', 'Graft', 1108, 2, 0, 495),
  ('D8090', 'Braces, grown-up', 'Braces', 1109, 3, 50, 5450),
  ('D8680', 'Retainer after braces', 'Retnr', 1109, 6, 50, 395),
  ('D9110', 'First aid for pain', 'FirstAid', 1109, 3, 80, 112),
  ('D9230', 'Laughing gas', 'Gas', 1109, 3, 0, 68),
  ('D9310', 'Advice for another dentist', 'Advice', 1109, 3, 80, 125),
  ('D9910', 'Paint against sensitivity', 'Paint', 1109, 3, 0, 38),
  ('D9944', 'Night guard, hard', 'Guard', 1109, 6, 50, 545),
  ('D9972', 'Whitening, one arch', 'White', 1109, 6, 0, 275),
  ('D9986', 'Visit missed', 'Missed', 1109, 3, 0, 50),
  ('D9987', 'Visit cancelled late', 'LateCan', 1109, 3, 0, 25),
  ('N4101', 'Watch "this" tooth', 'Watch', 1109, 2, 0, 0),
  ('N4102', 'Note for a group of procedures', 'GrpNote', 1109, 3, 0, 0),
  ('Z100', 'Brush, electric', 'Brush', 1109, 3, 0, 79.99);

INSERT INTO procedurecode
  (CodeNum, ProcCode, Descript, AbbrDesc, ProcTime, ProcCat, TreatArea, NoBillIns, IsProsth,
   DefaultNote, IsHygiene, GTypeNum, IsTaxed, PaintType, GraphicColor, LaymanTerm, DateTStamp,
   IsMultiVisit, SubstitutionCode, CanadaTimeUnits, IsRadiology, DefaultClaimNote, DefaultTPNote)
SELECT CodeNum, ProcCode, Descript, AbbrDesc, IF(Price > 500, '/XXXXXXXXX/', '/XX/'), ProcCat,
       TreatArea, Coverage = 0, ProcCat IN (1106, 1107),
       CASE CodeNum % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN CONCAT('Done: ', Descript, '.')
            ELSE 'Anaesthetic:\t[ ]\r\nMaterial:\t[ ]\r\n' END,
       ProcCat = 1102 OR ProcCode IN ('D4341', 'D4342', 'D4910'), CodeNum % 6, ProcCode = 'Z100',
       CodeNum % 9, 0, IF(CodeNum % 3, Descript, ''),
       '2021-01-04 08:00:00' + INTERVAL dice(codestamp, CodeNum) % 1200 DAY,
       ProcCode IN ('D2740', 'D2750', 'D5110', 'D5120'), IF(ProcCode = 'D2392', 'D2150', NULL),
       IF(CodeNum % 10 = 0, 0.1 + 0.2, 1), ProcCode LIKE 'D02%' OR ProcCode = 'D0330', '', ''
  FROM codelist;

INSERT INTO recalltrigger (RecallTriggerNum, RecallTypeNum, CodeNum)
SELECT ROW_NUMBER() OVER (ORDER BY t.RecallTypeNum, c.CodeNum), t.RecallTypeNum, c.CodeNum
  FROM recalltype t
  JOIN codelist c ON FIND_IN_SET(c.ProcCode, ELT(t.RecallTypeNum, 'D0120,D1110', 'D1120,D1206',
                                                 'D4341,D4910', 'D0274,D0272', 'D0210,D0330'));

-- Networks allow less than the office asks; some codes have a price of their own per clinic
-- or per provider.
INSERT INTO fee
  (FeeNum, Amount, OldCode, FeeSched, CodeNum, ClinicNum, ProvNum, SecUserNumEntry, SecDateEntry,
   SecDateTEdit)
SELECT ROW_NUMBER() OVER (ORDER BY s.FeeSchedNum, c.CodeNum), CASE s.FeeSchedNum
         WHEN 1 THEN c.Price
         WHEN 6 THEN FLOOR(c.Price * 0.88)
         ELSE ROUND(c.Price * ELT(s.FeeSchedNum, 1, 0.82, 0.76, 0.52, 0.95)
                    - dice(fee, s.FeeSchedNum, c.CodeNum) % 400 / 100, 2) * (c.Price > 4) END,
       '', s.FeeSchedNum, c.CodeNum, 0, 0, 1, IF(s.FeeSchedNum = 6, '0001-01-01', '2021-01-04'),
       IF(s.FeeSchedNum = 6, '2021-01-04 08:00:00', '2023-12-29 17:30:00')
  FROM feesched s JOIN codelist c;

INSERT INTO fee
  (FeeNum, Amount, FeeSched, CodeNum, ClinicNum, ProvNum, SecUserNumEntry, SecDateEntry,
   SecDateTEdit)
SELECT 1000 + c.CodeNum, ROUND(c.Price * 1.035, 2), 1, c.CodeNum, IF(c.CodeNum % 10, 2, 0),
       IF(c.CodeNum % 10, 0, 5), 1, '2023-12-29', '2023-12-29 17:40:00'
  FROM codelist c WHERE c.ProcCat = 1106 OR c.CodeNum % 10 = 0;

INSERT INTO medication (MedicationNum, MedName, GenericNum, Notes, DateTStamp, RxCui)
SELECT seq, CONCAT(ELT(1 + seq % 10, 'Alo', 'Bena', 'Cori', 'Dexa', 'Eno', 'Fluri', 'Gano', 'Helo',
                       'Ibra', 'Jolu'),
                   ELT(1 + seq DIV 10 % 6, 'zine', 'pril', 'statol', 'mycin', 'dol', 'pam')),
       IF(seq % 3, seq, seq - 1), IF(seq % 4, '', NULL), '2021-01-04 08:00:00', 900000 + seq
  FROM seq_1_to_60;

INSERT INTO rxnorm (RxNormNum, RxCui, MmslCode, Description)
SELECT seq, 900000 + seq, IF(seq % 5, '', CONCAT('d', LPAD(seq, 5, '0'))),
       CONCAT(ELT(1 + dice(rxnorm, seq) % 10, 'Alo', 'Bena', 'Cori', 'Dexa', 'Eno', 'Fluri', 'Gano',
                  'Helo', 'Ibra', 'Jolu'),
              ELT(1 + dice(rxnorm2, seq) % 6, 'zine', 'pril', 'statol', 'mycin', 'dol', 'pam'), ' ',
              5 * (1 + seq % 100), ' MG ',
              ELT(1 + seq % 4, 'Tablet', 'Capsule', 'Syrup', 'µg/ml drops'))
  FROM seq_1_to_1500;

INSERT INTO rxdef
  (RxDefNum, Drug, Sig, Disp, Refills, Notes, IsControlled, RxCui, IsProcRequired,
   PatientInstruction)
SELECT seq, CONCAT(ELT(1 + seq % 5, 'Enomycin', 'Ibradol', 'Corizine', 'Helopam', 'Bena rinse'),
                   ' ',
                   100 * (1 + seq DIV 5), ' mg'),
       ELT(1 + seq % 3, '1 every 8 h', '1 at night, "if needed"', 'Rinse twice a day'), 10 + seq,
       seq % 3, '', seq % 5 = 3, 900000 + seq, seq % 5 = 3, IF(seq % 2, 'With food', '')
  FROM seq_1_to_20;

INSERT INTO allergydef
  (AllergyDefNum, Description, IsHidden, DateTStamp, SnomedType, MedicationNum, UniiCode)
SELECT seq, ELT(seq, 'Latex', 'Enomycin', 'Ibradol', 'Local anaesthetic', 'Nickel', 'Pollen',
                'Nuts',
                'Metals, other', 'Iodine', 'Corizine', 'Eggs', 'None known'),
       seq = 8, '2021-01-04 08:00:00', IF(seq % 3 = 0, NULL, seq % 3),
       IF(seq IN (2, 3, 10), seq, 0), ''
  FROM seq_1_to_12;

INSERT INTO diseasedef
  (DiseaseDefNum, DiseaseName, ItemOrder, IsHidden, DateTStamp, ICD9Code, SnomedCode, Icd10Code)
SELECT seq, ELT(seq, 'High blood pressure', 'Diabetes', 'Asthma', 'Heart valve', 'Pregnancy',
                'Thyroid', 'Arthritis', 'Epilepsy', 'Hepatitis', 'Anaemia', 'Sleep apnoea',
                'Reflux',
                'Joint prosthesis', 'Smoker', 'Ménière''s'),
       seq, 0, '2021-01-04 08:00:00', '', 100000000 + seq, CONCAT('X', 10 + seq, '.', seq % 10)
  FROM seq_1_to_15;

INSERT INTO pharmacy
  (PharmacyNum, PharmID, StoreName, Phone, Fax, Address, City, State, Zip, Note, DateTStamp)
SELECT seq, IF(seq % 2, '', NULL), CONCAT(ELT(seq, 'Corner', 'Bridge', 'Station', 'Market', 'Mill',
                                              'Harbour', 'Garden', 'Castle'), ' pharmacy'),
       CONCAT('555012', seq), '', CONCAT(seq, ' Example Road'), 'Lindenmere', 'ZZ', '00101', NULL,
       '2021-01-04 08:00:00'
  FROM seq_1_to_8;

INSERT INTO pharmclinic (PharmClinicNum, PharmacyNum, ClinicNum)
SELECT seq, seq, 1 + seq % 2 FROM seq_1_to_8;

INSERT INTO referral
  (ReferralNum, LName, FName, Specialty, ST, Telephone, Address, City, Zip, Note, IsHidden,
   NotPerson, Title, EMail, PatNum, NationalProvID, IsDoctor, DateTStamp, IsPreferred,
   BusinessName, DisplayNote)
SELECT seq, IF(seq > 20, ELT(seq - 20, 'Web search', 'Sign', 'Mailing', 'Radio', 'Friend'),
               CONCAT(ELT(1 + seq % 5, 'Brand', 'Kesten', 'Mor', 'Tavi', 'Ulm'),
                      ELT(1 + seq DIV 5, 'holm', 'sley', 'rick', 'ansen', 'ov'))),
       IF(seq > 20, '', ELT(1 + seq % 4, 'Ane', 'Bix', 'Cy', 'Dag')),
       IF(seq > 20, 0, 3503 + seq % 3),
       'ZZ', CONCAT('55501', LPAD(seq, 2, '0')), '', 'Lindenmere', '00101', IF(seq % 3, '', NULL),
       seq = 25, seq > 20, IF(seq > 20, '', 'DDS'),
       IF(seq > 20, '', CONCAT('ref', seq, '@example.com')),
       0, IF(seq % 4 = 0, NULL, ''), seq <= 20, '2021-01-04 08:00:00', seq % 6 = 0, '', ''
  FROM seq_1_to_25;
