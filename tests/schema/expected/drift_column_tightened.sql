-- patient.Note: column tightened: NULL → NOT NULL (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Note` `Note` text CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL;
-- raw
