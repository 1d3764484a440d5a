CREATE TABLE "raw"."link" (
  "AdjNum" bigint NOT NULL,
  "Units" bigint NOT NULL,
  "_etl_loaded_at" timestamp with time zone NOT NULL DEFAULT now()
);

COPY "raw"."link" ("AdjNum", "Units") FROM STDIN;

ALTER TABLE "raw"."link" ADD CONSTRAINT "_etl_key_link" PRIMARY KEY ("AdjNum", "Units");

COMMENT ON COLUMN "raw"."link"."AdjNum" IS E'[bigint(20)]';

COMMENT ON COLUMN "raw"."link"."Units" IS E'[int(10) unsigned]';

CREATE TEMPORARY TABLE "pg_temp"."_etl_incoming" (
  "AdjNum" bigint,
  "Units" bigint
) ON COMMIT DROP;

CREATE TEMPORARY TABLE "pg_temp"."_etl_gone" ("AdjNum" bigint, "Units" bigint) ON COMMIT DROP;

DELETE FROM ONLY "raw"."link" AS raw_row USING "pg_temp"."_etl_gone" AS gone_key WHERE raw_row."AdjNum" = gone_key."AdjNum" AND raw_row."Units" = gone_key."Units" AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS source_row WHERE raw_row."AdjNum" = source_row."AdjNum" AND raw_row."Units" = source_row."Units");

DELETE FROM ONLY "raw"."link" AS raw_row WHERE ((raw_row."AdjNum" >= 10)) AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS source_row WHERE raw_row."AdjNum" = source_row."AdjNum" AND raw_row."Units" = source_row."Units");

UPDATE ONLY "raw"."link" AS raw_row SET "_etl_loaded_at" = now() FROM "pg_temp"."_etl_incoming" AS source_row WHERE raw_row."AdjNum" = source_row."AdjNum" AND raw_row."Units" = source_row."Units" AND false;

INSERT INTO "raw"."link" ("AdjNum", "Units") SELECT source_row."AdjNum", source_row."Units" FROM "pg_temp"."_etl_incoming" AS source_row WHERE NOT EXISTS (SELECT FROM ONLY "raw"."link" AS raw_row) UNION ALL SELECT source_row."AdjNum", source_row."Units" FROM "pg_temp"."_etl_incoming" AS source_row WHERE EXISTS (SELECT FROM ONLY "raw"."link" AS raw_row) AND NOT EXISTS (SELECT FROM ONLY "raw"."link" AS raw_row WHERE raw_row."AdjNum" = source_row."AdjNum" AND raw_row."Units" = source_row."Units");

SELECT width_bucket(raw_row."AdjNum"::bigint, ARRAY[10,20]::bigint[]) AS ordinal, count(*) AS rows, sum(hash_record_extended(ROW(raw_row."AdjNum", raw_row."Units"), 0)) AS digest FROM ONLY "raw"."link" AS raw_row WHERE (raw_row."AdjNum" >= 20) GROUP BY 1;

CREATE TEMPORARY TABLE "pg_temp"."_etl_incoming" (
  "AdjNum" bigint,
  "Units" bigint
) ON COMMIT DROP;

ALTER TABLE "pg_temp"."_etl_incoming" ADD COLUMN "_etl_line" bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 MINVALUE 0);

CREATE TEMPORARY TABLE "pg_temp"."_etl_keys" (
  "AdjNum" bigint,
  "Units" bigint
) ON COMMIT DROP;

ALTER TABLE "pg_temp"."_etl_keys" ADD COLUMN "_etl_ordinal" bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 MINVALUE 0);

SELECT sent_row."_etl_line", COALESCE(raw_row."AdjNum", sent_row."AdjNum")::text, COALESCE(raw_row."Units", sent_row."Units")::text FROM (SELECT * FROM ONLY "raw"."link" AS raw_row WHERE raw_row."AdjNum" >= 10 AND raw_row."AdjNum" < 20) AS raw_row FULL JOIN "pg_temp"."_etl_incoming" AS sent_row ON raw_row."AdjNum" = sent_row."AdjNum" AND raw_row."Units" = sent_row."Units" WHERE ((raw_row."AdjNum" IS NULL) <> (sent_row."AdjNum" IS NULL) OR false);

SELECT key."_etl_ordinal", raw_row."AdjNum" IS NOT NULL, sent_row."AdjNum" IS NOT NULL, array_remove(ARRAY[CASE WHEN raw_row."AdjNum" IS DISTINCT FROM sent_row."AdjNum" THEN 0 END, CASE WHEN raw_row."Units" IS DISTINCT FROM sent_row."Units" THEN 1 END]::int[], NULL) FROM "pg_temp"."_etl_keys" AS key LEFT JOIN ONLY "raw"."link" AS raw_row ON raw_row."AdjNum" = key."AdjNum" AND raw_row."Units" = key."Units" LEFT JOIN "pg_temp"."_etl_incoming" AS sent_row ON sent_row."AdjNum" = key."AdjNum" AND sent_row."Units" = key."Units" WHERE ((raw_row."AdjNum" IS NULL) <> (sent_row."AdjNum" IS NULL) OR false) ORDER BY 1;
