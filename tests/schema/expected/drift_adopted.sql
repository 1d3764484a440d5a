ALTER TABLE "raw"."patient" DROP CONSTRAINT "pk";
ALTER TABLE "raw"."patient" ALTER COLUMN "mine" DROP NOT NULL;
ALTER TABLE "raw"."patient" ALTER COLUMN "LName" DROP NOT NULL;
ALTER TABLE "raw"."patient" ADD COLUMN "Note" text;
ALTER TABLE "raw"."patient" ADD COLUMN "Age" smallint;
ALTER TABLE "raw"."patient" ADD COLUMN "Fee" double precision;
ALTER TABLE "raw"."patient" ADD COLUMN "Code" integer;
ALTER TABLE "raw"."patient" ADD COLUMN "_etl_loaded_at" timestamp with time zone NOT NULL DEFAULT now();
ALTER TABLE "raw"."patient" ADD CONSTRAINT "_etl_key_patient" PRIMARY KEY ("PatNum");
-- another;
ALTER TABLE "raw"."patient" RENAME TO "patient_replaced";
-- where old values do not fit;
DELETE FROM "raw"."patient";
ALTER TABLE "raw"."patient"
  ALTER COLUMN "Age" TYPE smallint USING NULL::smallint;
