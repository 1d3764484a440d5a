-- patient.Years: column renamed: was Age (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Age` `Years` bigint(20) NOT NULL;
-- raw
ALTER TABLE "raw"."patient" RENAME COLUMN "Age" TO "Years";
COMMENT ON COLUMN "raw"."patient"."Years" IS E'[bigint(20)]';
-- patient.Years: column retyped: smallint(6) → bigint(20) (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Age` `Years` bigint(20) NOT NULL;
-- raw
ALTER TABLE "raw"."patient" RENAME COLUMN "Age" TO "Years";
ALTER TABLE "raw"."patient"
  ALTER COLUMN "Years" TYPE bigint USING "Years"::bigint;
COMMENT ON COLUMN "raw"."patient"."Years" IS E'[bigint(20)]';
-- patient: columns reordered: Years, Fee, Code → Fee, Code, Years (follow)
-- replication
-- raw
