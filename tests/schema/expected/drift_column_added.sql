-- patient.Colour: column added: int(11) (follow)
-- replication
ALTER TABLE `patient`
  ADD COLUMN `Colour` int(11) NOT NULL COMMENT 'it\'s new' DEFAULT '0',
  ADD COLUMN `Words` varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL;
ALTER TABLE `patient` ALTER COLUMN `Colour` DROP DEFAULT;
-- raw
ALTER TABLE "raw"."patient" ADD COLUMN "Colour" integer DEFAULT E'0'::integer;
ALTER TABLE "raw"."patient" ALTER COLUMN "Colour" DROP DEFAULT;
COMMENT ON COLUMN "raw"."patient"."Colour" IS E'it''s new [int(11)]';
-- patient.Words: column added: varchar(9) (follow)
-- replication
ALTER TABLE `patient`
  ADD COLUMN `Colour` int(11) NOT NULL COMMENT 'it\'s new' DEFAULT '0',
  ADD COLUMN `Words` varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL;
-- raw
ALTER TABLE "raw"."patient" ADD COLUMN "Words" text;
COMMENT ON COLUMN "raw"."patient"."Words" IS E'[varchar(9)]';
