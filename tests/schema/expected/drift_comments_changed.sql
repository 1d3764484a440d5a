-- patient.Code: comment changed: of the column (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Code` `Code` int(11) NOT NULL COMMENT 'a code',
  COMMENT='persons [made by etl_pipeline]';
-- raw
COMMENT ON COLUMN "raw"."patient"."Code" IS E'a code [int(11)]';
-- patient: comment changed: of the table (follow)
-- replication
ALTER TABLE `patient`
  CHANGE COLUMN `Code` `Code` int(11) NOT NULL COMMENT 'a code',
  COMMENT='persons [made by etl_pipeline]';
-- raw
COMMENT ON TABLE "raw"."patient" IS E'persons';
