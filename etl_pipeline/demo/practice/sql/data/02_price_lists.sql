-- Price lists of the other types: 1 copays, 3 fixed benefits, 4 manual blue book (0 is normal, 2 out
-- of network). Each prices a few codes.
INSERT INTO feesched
  (FeeSchedNum, Description, FeeSchedType, ItemOrder, IsHidden, IsGlobal, SecUserNumEntry,
   SecDateEntry, SecDateTEdit)
VALUES
  (7, 'Copays, public programme', 1, 6, 0, 1, 1, '2021-01-04', '2022-05-02 09:01:00'),
  (8, 'Fixed benefits', 3, 7, 0, 1, 1, '2021-01-04', '2022-05-02 09:02:00'),
  (9, 'Blue book by hand', 4, 8, 0, 1, 1, '2021-01-04', '2022-05-02 09:03:00');
INSERT INTO fee
  (FeeNum, Amount, FeeSched, CodeNum, ClinicNum, ProvNum, SecUserNumEntry, SecDateEntry,
   SecDateTEdit)
SELECT 2000 + ROW_NUMBER() OVER (ORDER BY s.FeeSchedNum, c.CodeNum),
       ROUND(c.Price * ELT(s.FeeSchedNum - 6, 0.1, 0.5, 0.9), 2), s.FeeSchedNum, c.CodeNum, 0, 0, 1,
       '2021-01-04', '2022-05-02 09:04:00'
  FROM feesched s JOIN codelist c ON c.ProcCat IN (1101, 1103) WHERE s.FeeSchedNum >= 7;
