-- patient.Years: column renamed: was Age (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Age` `Years` smallint(6) NOT NULL;
-- raw
ALTER TABLE "raw"."patient" RENAME COLUMN "Age" TO "Years";
-- patient: columns reordered: Years, Fee, Code → Fee, Code, Years (follow)
-- replication
-- raw
