-- patient.Code: column loosened: NOT NULL → NULL (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Code` `Code` int(11) NULL;
-- raw
