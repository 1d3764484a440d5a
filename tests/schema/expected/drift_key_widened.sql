-- patient.PatNum: column retyped: bigint(20) → bigint(20) unsigned (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `PatNum` `PatNum` bigint(20) unsigned NOT NULL COMMENT 'the key';
-- raw
ALTER TABLE "raw"."patient"
  ALTER COLUMN "PatNum" TYPE numeric(20,0) USING "PatNum"::numeric(20,0);
COMMENT ON COLUMN "raw"."patient"."PatNum" IS E'the key [bigint(20) unsigned]';
