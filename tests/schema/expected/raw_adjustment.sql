CREATE TABLE "raw"."adjustment" (
  "AdjNum" bigint NOT NULL,
  "AdjDate" date,
  "AdjAmt" double precision,
  "Rate" real,
  "AdjNote" text,
  "Weird `%""name" text,
  "SecDateTEdit" timestamp with time zone,
  "Units" bigint,
  "Length" interval,
  "Price" numeric(10,2),
  "Big" numeric(20,0),
  "_etl_loaded_at" timestamp with time zone NOT NULL DEFAULT now()
);

COPY "raw"."adjustment" ("AdjNum", "AdjDate", "AdjAmt", "Rate", "AdjNote", "Weird `%""name", "SecDateTEdit", "Units", "Length", "Price", "Big") FROM STDIN;

ALTER TABLE "raw"."adjustment" ADD CONSTRAINT "_etl_key_adjustment" PRIMARY KEY ("AdjNum");

COMMENT ON TABLE "raw"."adjustment" IS E'What was charged or forgiven';

COMMENT ON COLUMN "raw"."adjustment"."AdjNum" IS E'[bigint(20)]';

COMMENT ON COLUMN "raw"."adjustment"."AdjDate" IS E'[date]';

COMMENT ON COLUMN "raw"."adjustment"."AdjAmt" IS E'positive: a charge [double]';

COMMENT ON COLUMN "raw"."adjustment"."Rate" IS E'[float]';

COMMENT ON COLUMN "raw"."adjustment"."AdjNote" IS E'it''s free text \\ no limit [text]';

COMMENT ON COLUMN "raw"."adjustment"."Weird `%""name" IS E'[varchar(10)]';

COMMENT ON COLUMN "raw"."adjustment"."SecDateTEdit" IS E'[timestamp]';

COMMENT ON COLUMN "raw"."adjustment"."Units" IS E'[int(10) unsigned]';

COMMENT ON COLUMN "raw"."adjustment"."Length" IS E'[time]';

COMMENT ON COLUMN "raw"."adjustment"."Price" IS E'[decimal(10,2)]';

COMMENT ON COLUMN "raw"."adjustment"."Big" IS E'[bigint(20) unsigned]';

CREATE TEMPORARY TABLE "pg_temp"."_etl_incoming" (
  "AdjNum" bigint,
  "AdjDate" date,
  "AdjAmt" double precision,
  "Rate" real,
  "AdjNote" text,
  "Weird `%""name" text,
  "SecDateTEdit" timestamp with time zone,
  "Units" bigint,
  "Length" interval,
  "Price" numeric(10,2),
  "Big" numeric(20,0)
) ON COMMIT DROP;

CREATE TEMPORARY TABLE "pg_temp"."_etl_gone" ("AdjNum" bigint) ON COMMIT DROP;

DELETE FROM ONLY "raw"."adjustment" AS h USING "pg_temp"."_etl_gone" AS g WHERE h."AdjNum" = g."AdjNum" AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS n WHERE h."AdjNum" = n."AdjNum");

DELETE FROM ONLY "raw"."adjustment" AS h WHERE ((h."AdjNum" >= 10)) AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS n WHERE h."AdjNum" = n."AdjNum");

UPDATE ONLY "raw"."adjustment" AS h SET "AdjDate" = n."AdjDate", "AdjAmt" = n."AdjAmt", "Rate" = n."Rate", "AdjNote" = n."AdjNote", "Weird `%""name" = n."Weird `%""name", "SecDateTEdit" = n."SecDateTEdit", "Units" = n."Units", "Length" = n."Length", "Price" = n."Price", "Big" = n."Big", "_etl_loaded_at" = now() FROM "pg_temp"."_etl_incoming" AS n WHERE h."AdjNum" = n."AdjNum" AND ROW(h."AdjDate", float8send(h."AdjAmt"), float4send(h."Rate"), h."AdjNote", h."Weird `%""name", h."SecDateTEdit", h."Units", h."Length", h."Price", h."Big") IS DISTINCT FROM ROW(n."AdjDate", float8send(n."AdjAmt"), float4send(n."Rate"), n."AdjNote", n."Weird `%""name", n."SecDateTEdit", n."Units", n."Length", n."Price", n."Big");

INSERT INTO "raw"."adjustment" ("AdjNum", "AdjDate", "AdjAmt", "Rate", "AdjNote", "Weird `%""name", "SecDateTEdit", "Units", "Length", "Price", "Big") SELECT n."AdjNum", n."AdjDate", n."AdjAmt", n."Rate", n."AdjNote", n."Weird `%""name", n."SecDateTEdit", n."Units", n."Length", n."Price", n."Big" FROM "pg_temp"."_etl_incoming" AS n WHERE NOT EXISTS (SELECT FROM ONLY "raw"."adjustment" AS h WHERE h."AdjNum" = n."AdjNum");

SELECT width_bucket(t."AdjNum"::bigint, ARRAY[10,20]::bigint[]) AS ordinal, count(*) AS rows, sum(hash_record_extended(ROW(t."AdjNum", t."AdjDate", float8send(t."AdjAmt"), float4send(t."Rate"), t."AdjNote", t."Weird `%""name", t."SecDateTEdit", t."Units", t."Length", t."Price", t."Big"), 0)) AS digest FROM ONLY "raw"."adjustment" AS t WHERE (t."AdjNum" >= 20) GROUP BY 1;

CREATE TEMPORARY TABLE "pg_temp"."_etl_incoming" (
  "AdjNum" bigint,
  "AdjDate" date,
  "AdjAmt" double precision,
  "Rate" real,
  "AdjNote" text,
  "Weird `%""name" text,
  "SecDateTEdit" timestamp with time zone,
  "Units" bigint,
  "Length" interval,
  "Price" numeric(10,2),
  "Big" numeric(20,0)
) ON COMMIT DROP;

ALTER TABLE "pg_temp"."_etl_incoming" ADD COLUMN "_etl_line" bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 MINVALUE 0);

CREATE TEMPORARY TABLE "pg_temp"."_etl_keys" (
  "AdjNum" bigint
) ON COMMIT DROP;

ALTER TABLE "pg_temp"."_etl_keys" ADD COLUMN "_etl_ordinal" bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 MINVALUE 0);

SELECT n."_etl_line", COALESCE(h."AdjNum", n."AdjNum")::text FROM (SELECT * FROM ONLY "raw"."adjustment" AS h WHERE h."AdjNum" >= 10 AND h."AdjNum" < 20) AS h FULL JOIN "pg_temp"."_etl_incoming" AS n ON h."AdjNum" = n."AdjNum" WHERE ((h."AdjNum" IS NULL) <> (n."AdjNum" IS NULL) OR ROW(h."AdjDate", float8send(h."AdjAmt"), float4send(h."Rate"), h."AdjNote", h."Weird `%""name", h."SecDateTEdit", h."Units", h."Length", h."Price", h."Big") IS DISTINCT FROM ROW(n."AdjDate", float8send(n."AdjAmt"), float4send(n."Rate"), n."AdjNote", n."Weird `%""name", n."SecDateTEdit", n."Units", n."Length", n."Price", n."Big"));

SELECT k."_etl_ordinal", h."AdjNum" IS NOT NULL, n."AdjNum" IS NOT NULL, array_remove(ARRAY[CASE WHEN h."AdjNum" IS DISTINCT FROM n."AdjNum" THEN 0 END, CASE WHEN h."AdjDate" IS DISTINCT FROM n."AdjDate" THEN 1 END, CASE WHEN float8send(h."AdjAmt") IS DISTINCT FROM float8send(n."AdjAmt") THEN 2 END, CASE WHEN float4send(h."Rate") IS DISTINCT FROM float4send(n."Rate") THEN 3 END, CASE WHEN h."AdjNote" IS DISTINCT FROM n."AdjNote" THEN 4 END, CASE WHEN h."Weird `%""name" IS DISTINCT FROM n."Weird `%""name" THEN 5 END, CASE WHEN h."SecDateTEdit" IS DISTINCT FROM n."SecDateTEdit" THEN 6 END, CASE WHEN h."Units" IS DISTINCT FROM n."Units" THEN 7 END, CASE WHEN h."Length" IS DISTINCT FROM n."Length" THEN 8 END, CASE WHEN h."Price" IS DISTINCT FROM n."Price" THEN 9 END, CASE WHEN h."Big" IS DISTINCT FROM n."Big" THEN 10 END]::int[], NULL) FROM "pg_temp"."_etl_keys" AS k LEFT JOIN ONLY "raw"."adjustment" AS h ON h."AdjNum" = k."AdjNum" LEFT JOIN "pg_temp"."_etl_incoming" AS n ON n."AdjNum" = k."AdjNum" WHERE ((h."AdjNum" IS NULL) <> (n."AdjNum" IS NULL) OR ROW(h."AdjDate", float8send(h."AdjAmt"), float4send(h."Rate"), h."AdjNote", h."Weird `%""name", h."SecDateTEdit", h."Units", h."Length", h."Price", h."Big") IS DISTINCT FROM ROW(n."AdjDate", float8send(n."AdjAmt"), float4send(n."Rate"), n."AdjNote", n."Weird `%""name", n."SecDateTEdit", n."Units", n."Length", n."Price", n."Big")) ORDER BY 1;
