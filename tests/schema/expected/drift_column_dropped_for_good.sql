-- patient.Note: column dropped: text (follow)
-- replication
ALTER TABLE `patient`
  DROP COLUMN `Note`;
-- raw
ALTER TABLE "raw"."patient" DROP COLUMN "Note";
