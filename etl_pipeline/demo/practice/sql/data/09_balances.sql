-- Balances on the evening of @today, aged by the date of the charge. A guarantor's row carries
-- the whole family's. Every working day ends with this file too.

CREATE TEMPORARY TABLE owing (
  PatNum bigint, Guarantor bigint, Day date, Amount double, Insurance double, KEY (PatNum),
  KEY (Guarantor)
) ENGINE=MyISAM;
INSERT INTO owing
SELECT c.PatNum, g.Guarantor, c.Day, ROUND(SUM(c.Amount), 2), ROUND(SUM(c.Insurance), 2)
  FROM (SELECT PatNum, ProcDate AS Day, ProcNum, ProcFee AS Amount, 0 AS Insurance FROM procedurelog
        WHERE ProcStatus = 2
        UNION ALL SELECT PatNum, ProcDate, ProcNum, AdjAmt, 0 FROM adjustment
        UNION ALL SELECT PatNum, IF(ProcDate = '0001-01-01', DatePay, ProcDate), ProcNum,
          0 - SplitAmt, 0 FROM paysplit
        UNION ALL SELECT PatNum, ProcDate, ProcNum, 0 - InsPayAmt - WriteOff, 0 FROM claimproc
          WHERE Status IN (1, 4)
        UNION ALL SELECT PatNum, ProcDate, ProcNum, 0, InsPayEst + GREATEST(WriteOffEst, 0)
          FROM claimproc WHERE Status = 0) AS c
  JOIN patient g ON g.PatNum = c.PatNum
 GROUP BY c.PatNum, g.Guarantor, c.Day;

UPDATE patient p
  JOIN (SELECT PatNum, ROUND(SUM(Amount), 2) AS Balance FROM owing GROUP BY PatNum) AS o
   ON o.PatNum = p.PatNum
   SET p.EstBalance = o.Balance, p.DateTStamp = p.DateTStamp;

DELETE FROM famaging;
INSERT INTO famaging
  (PatNum, Bal_0_30, Bal_31_60, Bal_61_90, BalOver90, InsEst, BalTotal, PayPlanDue)
SELECT Guarantor, ROUND(SUM(IF(Day > @today - INTERVAL 31 DAY, Amount, 0)), 2),
       ROUND(SUM(IF(Day BETWEEN @today - INTERVAL 60 DAY AND @today - INTERVAL 31 DAY, Amount, 0)),
             2),
       ROUND(SUM(IF(Day BETWEEN @today - INTERVAL 90 DAY AND @today - INTERVAL 61 DAY, Amount, 0)),
             2),
       ROUND(SUM(IF(Day < @today - INTERVAL 90 DAY, Amount, 0)), 2), ROUND(SUM(Insurance), 2),
       ROUND(SUM(Amount), 2), 0
  FROM owing GROUP BY Guarantor;

UPDATE patient p JOIN famaging f ON f.PatNum = p.PatNum
   SET p.Bal_0_30 = f.Bal_0_30, p.Bal_31_60 = f.Bal_31_60, p.Bal_61_90 = f.Bal_61_90,
       p.BalOver90 = f.BalOver90,
       p.InsEst = f.InsEst, p.BalTotal = f.BalTotal, p.DateTStamp = p.DateTStamp;

DROP TEMPORARY TABLE owing;
