-- Saved plans (TPStatus 0) of work that was done since: what a patient was shown, by the day on which
-- it was planned. Cleanings and exams that were booked ahead are shown to nobody.
CREATE TEMPORARY TABLE shown ENGINE=MyISAM
SELECT p.ProcNum, p.PatNum, p.DateTP, DENSE_RANK() OVER (ORDER BY p.DateTP, p.PatNum) AS Place
  FROM procedurelog p JOIN procedurecode c ON c.CodeNum = p.CodeNum
 WHERE p.ProcStatus = 2 AND p.DateTP > '1900-01-01' AND p.DateTP < p.ProcDate
   AND c.ProcCode REGEXP '^D[2-8]' AND dice(shown, p.PatNum, p.DateTP) % 100 < 55;
INSERT INTO treatplan
  (TreatPlanNum, PatNum, DateTP, Heading, Note, Signature, ResponsParty, TPStatus,
   SecUserNumEntry, SecDateEntry, SecDateTEdit, UserNumPresenter, SignaturePractice, DateTSigned,
   SignatureText)
SELECT (SELECT MAX(TreatPlanNum) FROM treatplan) + Place, PatNum, MIN(DateTP), 'Proposed treatment',
       '', '', 0, 0, 14, MIN(DateTP), MIN(DateTP) + INTERVAL 16 HOUR, 14, '', '0001-01-01', ''
  FROM shown GROUP BY Place, PatNum;
INSERT INTO proctp
  (ProcTPNum, TreatPlanNum, PatNum, ProcNumOrig, ItemOrder, Priority, ToothNumTP, Surf, ProcCode,
   Descript, FeeAmt, PriInsAmt, PatAmt, Discount, ProcAbbr, SecUserNumEntry, SecDateEntry,
   SecDateTEdit, FeeAllowed, ProvNum, DateTP, ClinicNum, CatPercUCR)
SELECT (SELECT MAX(ProcTPNum) FROM proctp) + ROW_NUMBER() OVER (ORDER BY s.Place, s.ProcNum),
       (SELECT MAX(TreatPlanNum) FROM treatplan) - (SELECT MAX(Place) FROM shown) + s.Place,
       p.PatNum, p.ProcNum, 1, 0, p.ToothNum, p.Surf, c.ProcCode, c.Descript, p.ProcFee, 0,
       p.ProcFee, 0, c.AbbrDesc, 14, s.DateTP, s.DateTP + INTERVAL 16 HOUR, p.ProcFee, p.ProvNum,
       s.DateTP, p.ClinicNum, 0
  FROM shown s JOIN procedurelog p ON p.ProcNum = s.ProcNum
  JOIN procedurecode c ON c.CodeNum = p.CodeNum;
DROP TEMPORARY TABLE shown;
