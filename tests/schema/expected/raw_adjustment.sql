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

DELETE FROM ONLY "raw"."adjustment" AS raw_row USING "pg_temp"."_etl_gone" AS gone_key WHERE raw_row."AdjNum" = gone_key."AdjNum" AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS source_row WHERE raw_row."AdjNum" = source_row."AdjNum");

DELETE FROM ONLY "raw"."adjustment" AS raw_row WHERE ((raw_row."AdjNum" >= 10)) AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS source_row WHERE raw_row."AdjNum" = source_row."AdjNum");

UPDATE ONLY "raw"."adjustment" AS raw_row SET "AdjDate" = source_row."AdjDate", "AdjAmt" = source_row."AdjAmt", "Rate" = source_row."Rate", "AdjNote" = source_row."AdjNote", "Weird `%""name" = source_row."Weird `%""name", "SecDateTEdit" = source_row."SecDateTEdit", "Units" = source_row."Units", "Length" = source_row."Length", "Price" = source_row."Price", "Big" = source_row."Big", "_etl_loaded_at" = now() FROM "pg_temp"."_etl_incoming" AS source_row WHERE raw_row."AdjNum" = source_row."AdjNum" AND ROW(raw_row."AdjDate", float8send(raw_row."AdjAmt"), float4send(raw_row."Rate"), raw_row."AdjNote", raw_row."Weird `%""name", raw_row."SecDateTEdit", raw_row."Units", raw_row."Length", raw_row."Price", raw_row."Big") IS DISTINCT FROM ROW(source_row."AdjDate", float8send(source_row."AdjAmt"), float4send(source_row."Rate"), source_row."AdjNote", source_row."Weird `%""name", source_row."SecDateTEdit", source_row."Units", source_row."Length", source_row."Price", source_row."Big");

INSERT INTO "raw"."adjustment" ("AdjNum", "AdjDate", "AdjAmt", "Rate", "AdjNote", "Weird `%""name", "SecDateTEdit", "Units", "Length", "Price", "Big") SELECT source_row."AdjNum", source_row."AdjDate", source_row."AdjAmt", source_row."Rate", source_row."AdjNote", source_row."Weird `%""name", source_row."SecDateTEdit", source_row."Units", source_row."Length", source_row."Price", source_row."Big" FROM "pg_temp"."_etl_incoming" AS source_row WHERE NOT EXISTS (SELECT FROM ONLY "raw"."adjustment" AS raw_row) UNION ALL SELECT source_row."AdjNum", source_row."AdjDate", source_row."AdjAmt", source_row."Rate", source_row."AdjNote", source_row."Weird `%""name", source_row."SecDateTEdit", source_row."Units", source_row."Length", source_row."Price", source_row."Big" FROM "pg_temp"."_etl_incoming" AS source_row WHERE EXISTS (SELECT FROM ONLY "raw"."adjustment" AS raw_row) AND NOT EXISTS (SELECT FROM ONLY "raw"."adjustment" AS raw_row WHERE raw_row."AdjNum" = source_row."AdjNum");

SELECT width_bucket(raw_row."AdjNum"::bigint, ARRAY[10,20]::bigint[]) AS ordinal, count(*) AS rows, sum(hash_record_extended(ROW(raw_row."AdjNum", raw_row."AdjDate", float8send(raw_row."AdjAmt"), float4send(raw_row."Rate"), raw_row."AdjNote", raw_row."Weird `%""name", raw_row."SecDateTEdit", raw_row."Units", raw_row."Length", raw_row."Price", raw_row."Big"), 0)) AS digest FROM ONLY "raw"."adjustment" AS raw_row WHERE (raw_row."AdjNum" >= 20) GROUP BY 1;

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

SELECT sent_row."_etl_line", COALESCE(raw_row."AdjNum", sent_row."AdjNum")::text FROM (SELECT * FROM ONLY "raw"."adjustment" AS raw_row WHERE raw_row."AdjNum" >= 10 AND raw_row."AdjNum" < 20) AS raw_row FULL JOIN "pg_temp"."_etl_incoming" AS sent_row ON raw_row."AdjNum" = sent_row."AdjNum" WHERE ((raw_row."AdjNum" IS NULL) <> (sent_row."AdjNum" IS NULL) OR ROW(raw_row."AdjDate", float8send(raw_row."AdjAmt"), float4send(raw_row."Rate"), raw_row."AdjNote", raw_row."Weird `%""name", raw_row."SecDateTEdit", raw_row."Units", raw_row."Length", raw_row."Price", raw_row."Big") IS DISTINCT FROM ROW(sent_row."AdjDate", float8send(sent_row."AdjAmt"), float4send(sent_row."Rate"), sent_row."AdjNote", sent_row."Weird `%""name", sent_row."SecDateTEdit", sent_row."Units", sent_row."Length", sent_row."Price", sent_row."Big"));

SELECT key."_etl_ordinal", raw_row."AdjNum" IS NOT NULL, sent_row."AdjNum" IS NOT NULL, array_remove(ARRAY[CASE WHEN raw_row."AdjNum" IS DISTINCT FROM sent_row."AdjNum" THEN 0 END, CASE WHEN raw_row."AdjDate" IS DISTINCT FROM sent_row."AdjDate" THEN 1 END, CASE WHEN float8send(raw_row."AdjAmt") IS DISTINCT FROM float8send(sent_row."AdjAmt") THEN 2 END, CASE WHEN float4send(raw_row."Rate") IS DISTINCT FROM float4send(sent_row."Rate") THEN 3 END, CASE WHEN raw_row."AdjNote" IS DISTINCT FROM sent_row."AdjNote" THEN 4 END, CASE WHEN raw_row."Weird `%""name" IS DISTINCT FROM sent_row."Weird `%""name" THEN 5 END, CASE WHEN raw_row."SecDateTEdit" IS DISTINCT FROM sent_row."SecDateTEdit" THEN 6 END, CASE WHEN raw_row."Units" IS DISTINCT FROM sent_row."Units" THEN 7 END, CASE WHEN raw_row."Length" IS DISTINCT FROM sent_row."Length" THEN 8 END, CASE WHEN raw_row."Price" IS DISTINCT FROM sent_row."Price" THEN 9 END, CASE WHEN raw_row."Big" IS DISTINCT FROM sent_row."Big" THEN 10 END]::int[], NULL) FROM "pg_temp"."_etl_keys" AS key LEFT JOIN ONLY "raw"."adjustment" AS raw_row ON raw_row."AdjNum" = key."AdjNum" LEFT JOIN "pg_temp"."_etl_incoming" AS sent_row ON sent_row."AdjNum" = key."AdjNum" WHERE ((raw_row."AdjNum" IS NULL) <> (sent_row."AdjNum" IS NULL) OR ROW(raw_row."AdjDate", float8send(raw_row."AdjAmt"), float4send(raw_row."Rate"), raw_row."AdjNote", raw_row."Weird `%""name", raw_row."SecDateTEdit", raw_row."Units", raw_row."Length", raw_row."Price", raw_row."Big") IS DISTINCT FROM ROW(sent_row."AdjDate", float8send(sent_row."AdjAmt"), float4send(sent_row."Rate"), sent_row."AdjNote", sent_row."Weird `%""name", sent_row."SecDateTEdit", sent_row."Units", sent_row."Length", sent_row."Price", sent_row."Big")) ORDER BY 1;
