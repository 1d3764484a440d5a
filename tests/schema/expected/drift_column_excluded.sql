-- patient.Note: column excluded: text (follow)
-- replication
ALTER TABLE `patient`
  DROP COLUMN `Note`;
-- raw
ALTER TABLE "raw"."patient" DROP COLUMN "Note";
