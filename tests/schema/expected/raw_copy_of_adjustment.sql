CREATE TABLE "raw"."copy_of_adjustment" (
  "AdjNum" bigint,
  "AdjDate" date,
  "AdjAmt" double precision,
  "_etl_loaded_at" timestamp with time zone NOT NULL DEFAULT now()
);

COPY "raw"."copy_of_adjustment" ("AdjNum", "AdjDate", "AdjAmt") FROM STDIN;

-- no key;

COMMENT ON COLUMN "raw"."copy_of_adjustment"."AdjNum" IS E'[bigint(20)]';

COMMENT ON COLUMN "raw"."copy_of_adjustment"."AdjDate" IS E'[date]';

COMMENT ON COLUMN "raw"."copy_of_adjustment"."AdjAmt" IS E'positive: a charge [double]';

CREATE TEMPORARY TABLE "pg_temp"."_etl_incoming" (
  "AdjNum" bigint,
  "AdjDate" date,
  "AdjAmt" double precision
) ON COMMIT DROP;

DELETE FROM ONLY "raw"."copy_of_adjustment";

INSERT INTO "raw"."copy_of_adjustment" ("AdjNum", "AdjDate", "AdjAmt") SELECT "AdjNum", "AdjDate", "AdjAmt" FROM "pg_temp"."_etl_incoming";

SELECT 0 AS ordinal, count(*) AS rows, sum(hash_record_extended(ROW(raw_row."AdjNum", raw_row."AdjDate", float8send(raw_row."AdjAmt")), 0)) AS digest FROM ONLY "raw"."copy_of_adjustment" AS raw_row WHERE (true) GROUP BY 1;

CREATE TEMPORARY TABLE "pg_temp"."_etl_incoming" (
  "AdjNum" bigint,
  "AdjDate" date,
  "AdjAmt" double precision
) ON COMMIT DROP;

ALTER TABLE "pg_temp"."_etl_incoming" ADD COLUMN "_etl_line" bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 MINVALUE 0);

SELECT (SELECT count(*) FROM (SELECT ROW("AdjNum", "AdjDate", float8send("AdjAmt"))::text AS line FROM "pg_temp"."_etl_incoming" AS sent_row EXCEPT ALL SELECT ROW("AdjNum", "AdjDate", float8send("AdjAmt"))::text AS line FROM ONLY "raw"."copy_of_adjustment" AS raw_row) AS missing), (SELECT count(*) FROM (SELECT ROW("AdjNum", "AdjDate", float8send("AdjAmt"))::text AS line FROM ONLY "raw"."copy_of_adjustment" AS raw_row EXCEPT ALL SELECT ROW("AdjNum", "AdjDate", float8send("AdjAmt"))::text AS line FROM "pg_temp"."_etl_incoming" AS sent_row) AS extra);
