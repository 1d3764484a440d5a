-- Quantities other than one: gas by the quarter of an hour, on top of its base unit; two arches;
-- photographs and lights that a device charted without a quantity. None of them is billed to
-- insurance.
UPDATE procedurelog p JOIN codelist c ON c.CodeNum = p.CodeNum
   SET p.UnitQty = IF(c.ProcCode IN ('D0350', 'D0431'), dice(units, p.ProcNum) % 4 = 0,
                      1 + dice(units, p.ProcNum) % 3),
       p.BaseUnits = c.ProcCode = 'D9230', p.DateTStamp = p.DateTStamp
 WHERE c.ProcCode IN ('D0350', 'D0431', 'D9230', 'D9972', 'Z100') AND p.ProcStatus IN (1, 2);
