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

DELETE FROM ONLY "raw"."link" AS h USING "pg_temp"."_etl_gone" AS g WHERE h."AdjNum" = g."AdjNum" AND h."Units" = g."Units" AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS n WHERE h."AdjNum" = n."AdjNum" AND h."Units" = n."Units");

DELETE FROM ONLY "raw"."link" AS h WHERE ((h."AdjNum" >= 10)) AND NOT EXISTS (SELECT FROM "pg_temp"."_etl_incoming" AS n WHERE h."AdjNum" = n."AdjNum" AND h."Units" = n."Units");

UPDATE ONLY "raw"."link" AS h SET "_etl_loaded_at" = now() FROM "pg_temp"."_etl_incoming" AS n WHERE h."AdjNum" = n."AdjNum" AND h."Units" = n."Units" AND false;

INSERT INTO "raw"."link" ("AdjNum", "Units") SELECT n."AdjNum", n."Units" FROM "pg_temp"."_etl_incoming" AS n WHERE NOT EXISTS (SELECT FROM ONLY "raw"."link" AS h WHERE h."AdjNum" = n."AdjNum" AND h."Units" = n."Units");

SELECT width_bucket(t."AdjNum"::bigint, ARRAY[10,20]::bigint[]) AS ordinal, count(*) AS rows, sum(hash_record_extended(ROW(t."AdjNum", t."Units"), 0)) AS digest FROM ONLY "raw"."link" AS t WHERE (t."AdjNum" >= 20) GROUP BY 1;

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

SELECT n."_etl_line", COALESCE(h."AdjNum", n."AdjNum")::text, COALESCE(h."Units", n."Units")::text FROM (SELECT * FROM ONLY "raw"."link" AS h WHERE h."AdjNum" >= 10 AND h."AdjNum" < 20) AS h FULL JOIN "pg_temp"."_etl_incoming" AS n ON h."AdjNum" = n."AdjNum" AND h."Units" = n."Units" WHERE ((h."AdjNum" IS NULL) <> (n."AdjNum" IS NULL) OR false);

SELECT k."_etl_ordinal", h."AdjNum" IS NOT NULL, n."AdjNum" IS NOT NULL, array_remove(ARRAY[CASE WHEN h."AdjNum" IS DISTINCT FROM n."AdjNum" THEN 0 END, CASE WHEN h."Units" IS DISTINCT FROM n."Units" THEN 1 END]::int[], NULL) FROM "pg_temp"."_etl_keys" AS k LEFT JOIN ONLY "raw"."link" AS h ON h."AdjNum" = k."AdjNum" AND h."Units" = k."Units" LEFT JOIN "pg_temp"."_etl_incoming" AS n ON n."AdjNum" = k."AdjNum" AND n."Units" = k."Units" WHERE ((h."AdjNum" IS NULL) <> (n."AdjNum" IS NULL) OR false) ORDER BY 1;
