SET LOCAL ROLE "dbt";
DROP VIEW "marts"."we""ird";
SET LOCAL ROLE NONE;
SET LOCAL ROLE "dbt";
CREATE VIEW "marts"."we""ird" ("number", "label")
  WITH (security_barrier=true) AS
SELECT 1;
ALTER VIEW "marts"."we""ird" ALTER COLUMN "label" SET DEFAULT 'x'::text;
CREATE TRIGGER t …;
COMMENT ON VIEW "marts"."we""ird" IS E'it''s';
REVOKE ALL ON "marts"."we""ird" FROM PUBLIC, "dbt", "board";
GRANT SELECT ON "marts"."we""ird" TO "dbt";
GRANT SELECT ON "marts"."we""ird" TO PUBLIC;
GRANT UPDATE ("label") ON "marts"."we""ird" TO "board" WITH GRANT OPTION;
SET LOCAL ROLE NONE;
-- next;
SET LOCAL ROLE "dbt";
DROP MATERIALIZED VIEW "marts"."sums";
SET LOCAL ROLE NONE;
SET LOCAL ROLE "dbt";
CREATE MATERIALIZED VIEW "marts"."sums" ("number", "label")
  WITH (security_barrier=true)
  TABLESPACE "fast" AS
SELECT 1
  WITH NO DATA;
CREATE TRIGGER t …;
SET LOCAL ROLE NONE;
SET LOCAL ROLE "dbt";
REFRESH MATERIALIZED VIEW "marts"."sums";
ANALYZE "marts"."sums";
SET LOCAL ROLE NONE;
-- next;
SET LOCAL ROLE "dbt";
DROP MATERIALIZED VIEW "marts"."sums";
SET LOCAL ROLE NONE;
SET LOCAL ROLE "dbt";
CREATE MATERIALIZED VIEW "marts"."sums" ("number", "label")
  WITH (security_barrier=true)
  TABLESPACE "fast" AS
SELECT 1
  WITH NO DATA;
CREATE TRIGGER t …;
SET LOCAL ROLE NONE;
-- next;
