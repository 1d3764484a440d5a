-- patient.LName: column lengthened: varchar(100) → varchar(255) (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `LName` `LName` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL;
-- raw
COMMENT ON COLUMN "raw"."patient"."LName" IS E'[varchar(255)]';
