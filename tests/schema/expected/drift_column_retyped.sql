-- patient.Age: column retyped: smallint(6) → bigint(20) (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Age` `Age` bigint(20) NOT NULL,
  CHANGE COLUMN `Fee` `Fee` decimal(10,2) NOT NULL;
-- raw
ALTER TABLE "raw"."patient"
  ALTER COLUMN "Age" TYPE bigint USING "Age"::bigint,
  ALTER COLUMN "Fee" TYPE numeric(10,2) USING "Fee"::numeric(10,2);
COMMENT ON COLUMN "raw"."patient"."Age" IS E'[bigint(20)]';
-- patient.Fee: column retyped: double → decimal(10,2) (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Age` `Age` bigint(20) NOT NULL,
  CHANGE COLUMN `Fee` `Fee` decimal(10,2) NOT NULL;
-- raw
ALTER TABLE "raw"."patient"
  ALTER COLUMN "Age" TYPE bigint USING "Age"::bigint,
  ALTER COLUMN "Fee" TYPE numeric(10,2) USING "Fee"::numeric(10,2);
COMMENT ON COLUMN "raw"."patient"."Fee" IS E'[decimal(10,2)]';
