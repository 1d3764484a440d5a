-- patient.Colour: column added: int(11) (refuse)
-- replication
ALTER TABLE `patient`
  ADD COLUMN `Colour` int(11) NOT NULL;
-- raw
ALTER TABLE "raw"."patient" ADD COLUMN "Colour" integer;
COMMENT ON COLUMN "raw"."patient"."Colour" IS E'[int(11)]';
