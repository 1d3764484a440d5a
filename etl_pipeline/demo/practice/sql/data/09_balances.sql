-- Balances on the evening of @today, as OpenDental ages: credits settle the family's oldest charges
-- first, and a guarantor's row carries the whole family's. Payment plans age by credits and debits;
-- prepayments of hidden types count once they are allocated. Every working day ends with this file.

-- What a link of a dynamic plan takes on: its amount, or what is left of the work for the patient.
CREATE TEMPORARY TABLE linked (PatNum bigint, Day date, Amount double) ENGINE=MyISAM;
INSERT INTO linked
SELECT p.PatNum, DATE(l.SecDateTEntry),
       IF(l.AmountOverride, l.AmountOverride, p.ProcFee * (p.UnitQty + p.BaseUnits)
          + IFNULL((SELECT SUM(a.AdjAmt) FROM adjustment a WHERE a.ProcNum = p.ProcNum
                    AND a.PatNum = p.PatNum AND a.ProvNum = p.ProvNum
                    AND a.ClinicNum = p.ClinicNum), 0)
          - IFNULL((SELECT SUM(IF(c.Status IN (1, 4, 7), c.InsPayAmt + c.WriteOff,
                                  IF(c.InsEstTotalOverride <> -1, c.InsEstTotalOverride,
                                     c.InsPayEst)
                                  + IF(c.WriteOffEstOverride <> -1, c.WriteOffEstOverride,
                                       GREATEST(c.WriteOffEst, 0))))
                     FROM claimproc c WHERE c.ProcNum = p.ProcNum AND c.Status <> 2), 0)
          - IFNULL((SELECT SUM(s.SplitAmt) FROM paysplit s WHERE s.ProcNum = p.ProcNum
                    AND s.PayPlanNum = 0), 0))
  FROM payplanlink l JOIN payplan x ON x.PayPlanNum = l.PayPlanNum
  JOIN procedurelog p ON p.ProcNum = l.FKey AND l.LinkType = 2
 WHERE NOT (x.DynamicPayPlanTPOption = 1 AND p.ProcStatus <> 2)
UNION ALL
SELECT a.PatNum, DATE(l.SecDateTEntry),
       IF(l.AmountOverride, l.AmountOverride, a.AdjAmt
          - IFNULL((SELECT SUM(s.SplitAmt) FROM paysplit s WHERE s.AdjNum = a.AdjNum
                    AND s.PayPlanNum = 0), 0))
  FROM payplanlink l JOIN adjustment a ON a.AdjNum = l.FKey AND l.LinkType = 1;

CREATE TEMPORARY TABLE owing (
  PatNum bigint, Guarantor bigint, Day date, Amount double, Insurance double, PayPlanDue double,
  KEY (PatNum), KEY (Guarantor)
) ENGINE=MyISAM;
INSERT INTO owing
SELECT c.PatNum, g.Guarantor, c.Day, ROUND(SUM(c.Amount), 2), ROUND(SUM(c.Insurance), 2),
       ROUND(SUM(c.PayPlanDue), 2)
  FROM (SELECT PatNum, ProcDate AS Day, ProcFee * (UnitQty + BaseUnits) AS Amount, 0 AS Insurance,
               0 AS PayPlanDue
          FROM procedurelog WHERE ProcStatus = 2
        UNION ALL SELECT PatNum, AdjDate, AdjAmt, 0, 0 FROM adjustment
        UNION ALL SELECT s.PatNum, s.DatePay, 0 - s.SplitAmt, 0,
                         IF(s.PayPlanNum AND NOT IFNULL(p.IsClosed, 0), 0 - s.SplitAmt, 0)
          FROM paysplit s LEFT JOIN payplan p ON p.PayPlanNum = s.PayPlanNum
          LEFT JOIN definition d ON d.DefNum = s.UnearnedType AND d.Category = 29
         WHERE IFNULL(d.ItemValue, '') = ''
        UNION ALL SELECT PatNum, DateCP, 0 - IF(PayPlanNum, 0, InsPayAmt) - WriteOff, 0, 0
          FROM claimproc WHERE Status IN (1, 4, 5, 7)
        UNION ALL SELECT PatNum, ProcDate, 0, InsPayEst + WriteOff, 0 FROM claimproc
         WHERE Status = 0
        UNION ALL SELECT p.PatNum, c.ChargeDate, 0 - c.Principal, 0, 0
          FROM payplancharge c JOIN payplan p ON p.PayPlanNum = c.PayPlanNum
         WHERE c.ChargeType = 1 AND c.ChargeDate <= @today
        UNION ALL SELECT c.Guarantor, c.ChargeDate,
                         IF(c.ChargeDate <= @today, c.Principal + c.Interest, 0), 0,
                         IF(p.IsClosed, 0, c.Principal + c.Interest)
          FROM payplancharge c JOIN payplan p ON p.PayPlanNum = c.PayPlanNum
         WHERE c.ChargeType = 0 AND p.PlanNum = 0 AND c.ChargeDate <= @today + INTERVAL 10 DAY
        UNION ALL SELECT PatNum, Day, 0 - Amount, 0, 0 FROM linked) AS c
  JOIN patient g ON g.PatNum = c.PatNum
 GROUP BY c.PatNum, g.Guarantor, c.Day, c.Amount < 0;

UPDATE patient p
  JOIN (SELECT PatNum, ROUND(SUM(Amount), 2) AS Balance FROM owing GROUP BY PatNum) AS o
   ON o.PatNum = p.PatNum
   SET p.EstBalance = o.Balance, p.DateTStamp = p.DateTStamp;

DELETE FROM famaging;
INSERT INTO famaging
  (PatNum, Bal_0_30, Bal_31_60, Bal_61_90, BalOver90, InsEst, BalTotal, PayPlanDue)
SELECT Guarantor,
       ROUND(LEAST(New, GREATEST(0, Old + Older + Oldest + New - Credit)), 2),
       ROUND(LEAST(Old, GREATEST(0, Old + Older + Oldest - Credit)), 2),
       ROUND(LEAST(Older, GREATEST(0, Older + Oldest - Credit)), 2),
       ROUND(GREATEST(0, Oldest - Credit), 2), Insurance, Total, PayPlanDue
  FROM (SELECT Guarantor,
               SUM(IF(Amount > 0 AND Day BETWEEN @today - INTERVAL 30 DAY AND @today, Amount, 0))
                 AS New,
               SUM(IF(Amount > 0 AND Day BETWEEN @today - INTERVAL 60 DAY
                      AND @today - INTERVAL 31 DAY, Amount, 0)) AS Old,
               SUM(IF(Amount > 0 AND Day BETWEEN @today - INTERVAL 90 DAY
                      AND @today - INTERVAL 61 DAY, Amount, 0)) AS Older,
               SUM(IF(Amount > 0 AND Day < @today - INTERVAL 90 DAY, Amount, 0)) AS Oldest,
               SUM(IF(Amount < 0 AND Day <= @today, 0 - Amount, 0)) AS Credit,
               ROUND(SUM(Insurance), 2) AS Insurance, ROUND(SUM(Amount), 2) AS Total,
               ROUND(SUM(PayPlanDue), 2) AS PayPlanDue
          FROM owing GROUP BY Guarantor) AS f;

UPDATE patient p JOIN famaging f ON f.PatNum = p.PatNum
   SET p.Bal_0_30 = f.Bal_0_30, p.Bal_31_60 = f.Bal_31_60, p.Bal_61_90 = f.Bal_61_90,
       p.BalOver90 = f.BalOver90, p.InsEst = f.InsEst, p.BalTotal = f.BalTotal,
       p.PayPlanDue = f.PayPlanDue, p.DateTStamp = p.DateTStamp;

DROP TEMPORARY TABLE owing;
DROP TEMPORARY TABLE linked;
