-- Claims for insured visits, what carriers paid, and estimates for planned work.

-- A line is one procedure on one claim. Allowed is the network's price, Estimate what the plan
-- should pay after its deductible, which a cheap piece of work does not reach at every sixth plan,
-- and up to its yearly limit.
CREATE TEMPORARY TABLE line (
  ProcNum bigint PRIMARY KEY, PatNum bigint, AptNum bigint, Day date, ProvNum int, ClinicNum int,
  ProcCode varchar(15) CHARACTER SET utf8mb3, PlanNum bigint, InsSubNum bigint, CarrierNum bigint,
  Fee double,
  Allowed double, Percent int, Deductible double, Estimate double, ClaimNum bigint, ReceivedOn date,
  IsReceived int, IsDenied int, CheckPlace bigint DEFAULT 0,
  Supplement double DEFAULT 0, KEY (ClaimNum)
) ENGINE=MyISAM;

INSERT INTO line
  (ProcNum, PatNum, AptNum, Day, ProvNum, ClinicNum, ProcCode, PlanNum, InsSubNum, CarrierNum,
   Fee, Allowed, Percent, Deductible, Estimate, ClaimNum)
SELECT ProcNum, PatNum, AptNum, Day, ProvNum, ClinicNum, ProcCode, PlanNum, InsSubNum, CarrierNum,
       Fee, Allowed, Percent,
       Deductible,
       GREATEST(0, LEAST(Estimate, ROUND(
         1000 + 250 * (dice(limit, PlanNum) % 5)
         - IFNULL(SUM(Estimate) OVER (PARTITION BY PatNum, YEAR(Day) ORDER BY Day, ProcNum
                                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), 2))),
       DENSE_RANK() OVER (ORDER BY Day, AptNum)
  FROM (SELECT l.*, LEAST(Allowed, Threshold) AS Deductible,
               ROUND((Allowed - LEAST(Allowed, Threshold)) * Percent / 100, 2) AS Estimate
          FROM (SELECT p.ProcNum, p.PatNum, p.AptNum, p.ProcDate AS Day, p.ProvNum, p.ClinicNum,
                       c.ProcCode, s.PlanNum, pp.InsSubNum, i.CarrierNum, p.ProcFee AS Fee,
                       IF(i.FeeSched IN (2, 3, 4), LEAST(p.ProcFee, f.Amount), p.ProcFee)
                         AS Allowed,
                       c.Coverage - IF(i.PlanNum % 5 = 0 AND c.Coverage < 100, 10, 0) AS Percent,
                       IF(c.Coverage < 100 AND ROW_NUMBER() OVER (
                            PARTITION BY p.PatNum, YEAR(p.ProcDate), c.Coverage = 100
                            ORDER BY p.ProcDate, p.ProcNum) = 1,
                          IF(i.PlanNum % 6 = 4, 150, 25), 0) AS Threshold
                  FROM procedurelog p
                  JOIN codelist c ON c.CodeNum = p.CodeNum AND c.Coverage > 0
                  JOIN patplan pp ON pp.PatNum = p.PatNum AND pp.Ordinal = 1
                  JOIN inssub s ON s.InsSubNum = pp.InsSubNum
                  JOIN insplan i ON i.PlanNum = s.PlanNum
                  LEFT JOIN fee f ON f.FeeSched = i.FeeSched AND f.CodeNum = p.CodeNum
                   AND f.ClinicNum = 0 AND f.ProvNum = 0
                 WHERE p.ProcStatus = 2 AND p.AptNum > 0 AND p.ProcFee > 0) AS l) AS e;

-- Carriers answer on Wednesdays, most within five weeks, some take months; one line in 30 is
-- denied at first.
UPDATE line SET ReceivedOn = Day + INTERVAL 9 + dice(answer, ClaimNum) % 30
                             + IF(dice(slow, ClaimNum) % 100 < 6,
                                  60 + dice(answer, ClaimNum) % 120, 0) DAY;
UPDATE line SET ReceivedOn = ReceivedOn + INTERVAL MOD(11 - DAYOFWEEK(ReceivedOn), 7) DAY;
UPDATE line SET IsReceived = ReceivedOn <= @today AND dice(lost, ClaimNum) % 200 > 0,
                IsDenied = dice(denied, ProcNum) % 30 = 0;

CREATE TEMPORARY TABLE checkplace ENGINE=MyISAM
SELECT ReceivedOn, CarrierNum, ROW_NUMBER() OVER (ORDER BY ReceivedOn, CarrierNum) AS Place
  FROM (SELECT DISTINCT ReceivedOn, CarrierNum FROM line WHERE IsReceived) AS paid;
ALTER TABLE checkplace ADD KEY (ReceivedOn, CarrierNum);
UPDATE line l JOIN checkplace k ON k.ReceivedOn = l.ReceivedOn AND k.CarrierNum = l.CarrierNum
   SET l.CheckPlace = k.Place WHERE l.IsReceived;
DROP TEMPORARY TABLE checkplace;

-- ClaimStatus: U unsent, W waiting to be sent, S sent, R received.
INSERT INTO claim
  (ClaimNum, PatNum, DateService, DateSent, ClaimStatus, DateReceived, PlanNum, ProvTreat,
   ClaimFee, InsPayEst, InsPayAmt, DedApplied, PreAuthString, IsProsthesis, ReasonUnderPaid,
   ClaimNote, ClaimType, ProvBill, RefNumString, AccidentRelated, PatRelat, WriteOff, Radiographs,
   ClinicNum, AttachedFlags, InsSubNum, CustomTracking, ClaimIdentifier, SecUserNumEntry,
   SecDateEntry, SecDateTEdit, DateSentOrig, Narrative)
SELECT l.ClaimNum, MIN(l.PatNum), MIN(l.Day),
       IF(MIN(l.Day) < @today, MIN(l.Day) + INTERVAL 1 DAY, '0001-01-01'),
       CASE WHEN MIN(l.IsReceived) THEN 'R' WHEN MIN(l.Day) < @today THEN 'S' WHEN l.ClaimNum % 2
        THEN 'W' ELSE 'U' END,
       IF(MIN(l.IsReceived), MIN(l.ReceivedOn), '0001-01-01'), MIN(l.PlanNum), MIN(l.ProvNum),
       ROUND(SUM(l.Fee), 2),
       ROUND(SUM(l.Estimate), 2),
       IF(MIN(l.IsReceived), ROUND(SUM(l.Estimate * (1 - l.IsDenied)), 2), 0),
       IF(MIN(l.IsReceived), SUM(l.Deductible), 0), '', 'N',
       IF(MAX(l.IsDenied) AND MIN(l.IsReceived), 'Denied: "frequency"\tsee notice', ''),
       IF(l.ClaimNum % 40, '', 'Please review.\nFilms enclosed.'), 'P', 10, '', '',
       MIN(pp.Relationship),
       IF(MIN(l.IsReceived), ROUND(SUM(l.Fee - l.Allowed), 2), 0), l.ClaimNum % 4, MIN(l.ClinicNum),
       'Mail', MIN(l.InsSubNum),
       IF(MIN(l.IsReceived), 0, ELT(1 + l.ClaimNum % 3, 0, 3101, 3102)), CONCAT('ZZ/', l.ClaimNum),
       10 + l.ClaimNum % 4,
       MIN(l.Day), IF(MIN(l.IsReceived),
                      MIN(l.ReceivedOn) + INTERVAL 11 * 60 + l.ClaimNum % 300 MINUTE,
                      MIN(l.Day) + INTERVAL 17 HOUR + INTERVAL l.ClaimNum % 50 MINUTE),
       IF(MIN(l.Day) < @today, MIN(l.Day) + INTERVAL 1 DAY, '0001-01-01'), ''
  FROM line l JOIN patplan pp ON pp.PatNum = l.PatNum AND pp.Ordinal = 1
 GROUP BY l.ClaimNum;

-- Status: 0 not received, 1 received.
INSERT INTO claimproc
  (ClaimProcNum, ProcNum, ClaimNum, PatNum, ProvNum, FeeBilled, InsPayEst, DedApplied, Status,
   InsPayAmt, Remarks, ClaimPaymentNum, PlanNum, DateCP, WriteOff, CodeSent, AllowedOverride,
   Percentage, BaseEst, ProcDate, DateEntry, LineNumber, DedEst, DedEstOverride, InsEstTotal,
   InsEstTotalOverride, PaidOtherInsOverride, EstimateNote, WriteOffEst, WriteOffEstOverride,
   ClinicNum, InsSubNum, PaymentRow, SecUserNumEntry, SecDateEntry, SecDateTEdit,
   DateInsFinalized, ClaimAdjReasonCodes)
SELECT ROW_NUMBER() OVER (ORDER BY ClaimNum, ProcNum), ProcNum, ClaimNum, PatNum, ProvNum, Fee,
       Estimate,
       IF(IsReceived, Deductible, 0), IsReceived, IF(IsReceived AND NOT IsDenied, Estimate, 0),
       IF(IsDenied AND IsReceived, 'Not covered twice a year; "appeal"?', ''), CheckPlace, PlanNum,
       IF(IsReceived, ReceivedOn, Day), IF(IsReceived, ROUND(Fee - Allowed, 2), 0), ProcCode, -1,
       Percent, Estimate, Day,
       IF(IsReceived, ReceivedOn, '0001-01-01'),
       ROW_NUMBER() OVER (PARTITION BY ClaimNum ORDER BY ProcNum), Deductible, -1,
       Estimate, -1, -1, '', IF(Allowed < Fee, ROUND(Fee - Allowed, 2), -1), -1, ClinicNum,
       InsSubNum, IsReceived,
       10 + ClaimNum % 4, Day,
       IF(IsReceived, ReceivedOn + INTERVAL 11 * 60 + ClaimNum % 300 MINUTE,
          Day + INTERVAL 17 HOUR),
       IF(IsReceived, ReceivedOn, '0001-01-01'), IF(IsDenied AND IsReceived, 'CO-119', '')
  FROM line;

-- Supplemental payments (4) on a third of the denied lines, six weeks later.
UPDATE line SET Supplement = Estimate
 WHERE IsReceived AND IsDenied AND ReceivedOn + INTERVAL 42 DAY <= @today
  AND dice(appeal, ProcNum) % 3 = 0;
INSERT INTO claimproc
  (ClaimProcNum, ProcNum, ClaimNum, PatNum, ProvNum, Status, InsPayAmt, Remarks, ClaimPaymentNum,
   PlanNum, DateCP, CodeSent, AllowedOverride, ProcDate, DateEntry, DedEstOverride,
   InsEstTotalOverride, PaidOtherInsOverride, WriteOffEst, WriteOffEstOverride, ClinicNum,
   InsSubNum, SecUserNumEntry, SecDateEntry, SecDateTEdit, DateSuppReceived, DateInsFinalized)
SELECT (SELECT MAX(ClaimProcNum) FROM claimproc) + ROW_NUMBER() OVER (ORDER BY ReceivedOn, ProcNum),
       ProcNum, ClaimNum, PatNum,
       ProvNum, 4, Estimate, 'Paid after appeal',
       (SELECT MAX(CheckPlace) FROM line) + DENSE_RANK() OVER (ORDER BY ReceivedOn, CarrierNum),
       PlanNum,
       ReceivedOn + INTERVAL 42 DAY, ProcCode, -1, Day, ReceivedOn + INTERVAL 42 DAY, -1, -1, -1,
       -1, -1, ClinicNum, InsSubNum,
       11, ReceivedOn + INTERVAL 42 DAY, ReceivedOn + INTERVAL 42 DAY + INTERVAL 14 HOUR,
       ReceivedOn + INTERVAL 42 DAY,
       ReceivedOn + INTERVAL 42 DAY
  FROM line WHERE Supplement > 0;

UPDATE claim c
  JOIN (SELECT ClaimNum, ROUND(SUM(InsPayAmt), 2) AS Paid FROM claimproc WHERE Status = 4
        GROUP BY ClaimNum) AS s
       ON s.ClaimNum = c.ClaimNum
   SET c.InsPayAmt = ROUND(c.InsPayAmt + s.Paid, 2), c.SecDateTEdit = c.SecDateTEdit;

INSERT INTO claimpayment
  (ClaimPaymentNum, CheckDate, CheckAmt, CheckNum, BankBranch, Note, ClinicNum, CarrierName,
   DateIssued, PayType, SecUserNumEntry, SecDateEntry, SecDateTEdit)
SELECT p.ClaimPaymentNum, MIN(p.DateCP), ROUND(SUM(p.InsPayAmt), 2),
       IF(p.ClaimPaymentNum % 3, 700000 + p.ClaimPaymentNum, ''), '',
       IF(p.ClaimPaymentNum % 50, '', 'Split over\ttwo notices'), 0, MIN(r.CarrierName),
       MIN(p.DateCP) - INTERVAL 4 DAY,
       IF(p.ClaimPaymentNum % 3, 3201, 3202), 10, MIN(p.DateCP), MIN(p.DateCP) + INTERVAL 16 HOUR
  FROM claimproc p JOIN insplan i ON i.PlanNum = p.PlanNum JOIN carrier r
   ON r.CarrierNum = i.CarrierNum
 WHERE p.ClaimPaymentNum > 0 GROUP BY p.ClaimPaymentNum;

INSERT INTO eobattach (EobAttachNum, ClaimPaymentNum, DateTCreated, FileName, RawBase64)
SELECT ROW_NUMBER() OVER (ORDER BY ClaimPaymentNum), ClaimPaymentNum, CheckDate + INTERVAL 16 HOUR,
       CONCAT('eob_', ClaimPaymentNum, '.pdf'), ''
  FROM claimpayment WHERE dice(eob, ClaimPaymentNum) % 10 < 8;

-- Planned work: an estimate (6) for every insured procedure; dear ones were asked about
-- beforehand, on a claim of type PreAuth with its own line (2).
CREATE TEMPORARY TABLE estimate ENGINE=MyISAM
SELECT p.ProcNum, p.PatNum, p.ProvNum, p.ProcFee AS Fee, p.DateTP, p.ClinicNum, c.ProcCode,
       c.Coverage AS Percent, s.PlanNum,
       pp.InsSubNum, pp.Relationship, p.DateTStamp,
       ROUND(p.ProcFee * 0.9 * c.Coverage / 100, 2) AS Estimate,
       p.ProcFee > 700 AND dice(preauth, p.ProcNum) % 2 = 0 AND p.DateTP > @opened AS IsAsked
  FROM procedurelog p
  JOIN codelist c ON c.CodeNum = p.CodeNum AND c.Coverage > 0
  JOIN patplan pp ON pp.PatNum = p.PatNum AND pp.Ordinal = 1
  JOIN inssub s ON s.InsSubNum = pp.InsSubNum
 WHERE p.ProcStatus = 1;

INSERT INTO claim
  (ClaimNum, PatNum, DateService, DateSent, ClaimStatus, DateReceived, PlanNum, ProvTreat,
   ClaimFee, InsPayEst, PreAuthString, ClaimNote, ClaimType, ProvBill, PatRelat, ClinicNum,
   InsSubNum, SecUserNumEntry, SecDateEntry, SecDateTEdit, DateSentOrig, Narrative)
SELECT (SELECT MAX(ClaimNum) FROM line) + ROW_NUMBER() OVER (ORDER BY ProcNum), PatNum, DateTP,
       DateTP,
       IF(DateTP < @today - INTERVAL 30 DAY, 'R', 'S'),
       IF(DateTP < @today - INTERVAL 30 DAY, DateTP + INTERVAL 20 DAY, '0001-01-01'),
       PlanNum, ProvNum, Fee, Estimate, IF(ProcNum % 2, CONCAT('PA', ProcNum), ''), NULL, 'PreAuth',
       10, Relationship, ClinicNum, InsSubNum,
       10, DateTP, DateTP + INTERVAL 17 HOUR, DateTP,
       CONCAT('Tooth has "no" wall left.\r\n', ProcCode)
  FROM estimate WHERE IsAsked;

INSERT INTO claimproc
  (ClaimProcNum, ProcNum, ClaimNum, PatNum, ProvNum, FeeBilled, InsPayEst, Status, PlanNum,
   DateCP, CodeSent, AllowedOverride, Percentage, BaseEst, ProcDate, DedEstOverride, InsEstTotal,
   InsEstTotalOverride, PaidOtherInsOverride, WriteOffEst, WriteOffEstOverride, ClinicNum,
   InsSubNum, SecUserNumEntry, SecDateEntry, SecDateTEdit)
SELECT (SELECT MAX(ClaimProcNum) FROM claimproc) + ROW_NUMBER() OVER (ORDER BY e.ProcNum, k.seq),
       e.ProcNum,
       IF(k.seq = 2, (SELECT MAX(ClaimNum) FROM line)
                     + SUM(k.seq = 2) OVER (ORDER BY e.ProcNum, k.seq ROWS UNBOUNDED PRECEDING), 0),
       e.PatNum, e.ProvNum, IF(k.seq = 2, e.Fee, 0), e.Estimate, k.seq, e.PlanNum, e.DateTP,
       e.ProcCode, -1, e.Percent,
       e.Estimate, e.DateTP, -1, e.Estimate, -1, -1, ROUND(e.Fee * 0.1, 2), -1, e.ClinicNum,
       e.InsSubNum, 10, e.DateTP, e.DateTStamp
  FROM estimate e JOIN seq_2_to_6_step_4 k ON k.seq = 6 OR e.IsAsked;
DROP TEMPORARY TABLE estimate;

INSERT INTO claimtracking
  (ClaimTrackingNum, ClaimNum, TrackingType, UserNum, DateTimeEntry, Note, TrackingDefNum,
   TrackingErrorDefNum)
SELECT ROW_NUMBER() OVER (ORDER BY c.SecDateTEdit + INTERVAL k.seq DAY, c.ClaimNum, k.seq),
       c.ClaimNum, 'StatusHistory', 10 + c.ClaimNum % 4,
       c.SecDateTEdit + INTERVAL k.seq DAY, IF(k.seq = 1, '', 'Rang carrier;\t"in process"'),
       3100 + k.seq, 0
  FROM claim c JOIN seq_1_to_2 k
 WHERE dice(tracked, c.ClaimNum, k.seq) % 100 < IF(k.seq = 1, 55, 15);

-- What carriers paid for what, kept for estimates of plans without a price list.
INSERT INTO insbluebook
  (InsBlueBookNum, ProcCodeNum, CarrierNum, PlanNum, GroupNum, InsPayAmt, AllowedOverride,
   DateTEntry, ProcNum, ProcDate, ClaimType, ClaimNum)
SELECT ROW_NUMBER() OVER (ORDER BY l.ClaimNum, l.ProcNum), c.CodeNum, l.CarrierNum, l.PlanNum,
       CONCAT('G', 1000 + l.PlanNum),
       l.Estimate, -1, l.ReceivedOn + INTERVAL 12 HOUR, l.ProcNum, l.Day, 'P', l.ClaimNum
  FROM line l JOIN codelist c ON c.ProcCode = l.ProcCode
 WHERE l.IsReceived AND NOT l.IsDenied AND l.PlanNum % 5 < 2;

INSERT INTO insbluebooklog (InsBlueBookLogNum, ClaimProcNum, AllowedFee, DateTEntry, Description)
SELECT ROW_NUMBER() OVER (ORDER BY p.SecDateTEdit, p.ClaimProcNum), p.ClaimProcNum,
       IF(p.ClaimProcNum % 3, p.FeeBilled * 0.93, -1),
       p.SecDateTEdit,
       IF(p.ClaimProcNum % 3, 'Average of 12 payments in 24 months', 'Manual "override"\r\nremoved')
  FROM claimproc p WHERE p.PlanNum % 5 >= 3 AND p.ClaimProcNum % 2;
