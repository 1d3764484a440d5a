-- Chairs: what the appointment book calls operatories. Odd ones are in Lindenmere, even ones in
-- Quarrygate, the ninth goes along to schools, and the tenth was in the closed office.
INSERT INTO operatory
  (OperatoryNum, OpName, Abbrev, ItemOrder, IsHidden, ProvDentist, ProvHygienist, IsHygiene,
   ClinicNum, SetProspective, DateTStamp, IsWebSched, IsNewPatAppt)
SELECT seq, IF(seq = 9, 'Mobile chair', CONCAT('Room "', seq, '"')),
       IF(seq = 9, 'MOB', CONCAT('R', seq)), seq - 1, seq = 10,
       IF(seq <= 8, 1 + (seq - 1) % 5, 0), IF(seq IN (6, 8), IF(seq = 8, 9, 7), 0), seq IN (6, 8),
       CASE WHEN seq = 9 THEN 0 WHEN seq = 10 THEN 3 ELSE 2 - seq % 2 END, 0,
       '2021-01-04 08:00:00', 0, 0
  FROM seq_1_to_10;
