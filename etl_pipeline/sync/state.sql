-- What the pipeline remembers, in the warehouse itself: schema etl, never read by dbt models.
-- Every statement may run again and again; the schema is there already.

CREATE TABLE IF NOT EXISTS etl.version (
    version integer PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS etl.run (
    run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    outcome      text CHECK (outcome IN ('succeeded', 'failed', 'stopped')),
    etl_version  text NOT NULL,
    host         text NOT NULL,
    process_id   integer NOT NULL
);
COMMENT ON TABLE etl.run IS 'One row a run; outcome is NULL while it is going on and after a kill.';

CREATE TABLE IF NOT EXISTS etl.table_run (
    run_id       bigint NOT NULL REFERENCES etl.run ON DELETE CASCADE,
    table_name   text NOT NULL,
    strategy     text NOT NULL,
    grade        text CHECK (grade IN ('value', 'keys+stamp', 'append')),
    rows         bigint NOT NULL DEFAULT 0,
    text_bytes   bigint NOT NULL DEFAULT 0,
    seconds      double precision NOT NULL DEFAULT 0,
    inserted     bigint NOT NULL DEFAULT 0,
    updated      bigint NOT NULL DEFAULT 0,
    deleted      bigint NOT NULL DEFAULT 0,
    altered      jsonb NOT NULL DEFAULT '{}',
    error        text,
    PRIMARY KEY (run_id, table_name)
);
COMMENT ON COLUMN etl.table_run.grade IS 'Grade of the proof that was reached; NULL for a table that failed.';
COMMENT ON COLUMN etl.table_run.altered IS 'Values that raw cannot hold, by column and kind.';

CREATE TABLE IF NOT EXISTS etl.chunk (
    table_name   text NOT NULL,
    ordinal      integer NOT NULL,
    lower_bound  numeric,
    upper_bound  numeric,
    rows         bigint NOT NULL,
    text_digest  bytea NOT NULL,
    raw_digest   numeric NOT NULL,
    read_at      timestamptz NOT NULL,
    run_id       bigint NOT NULL,
    PRIMARY KEY (table_name, ordinal)
);
COMMENT ON TABLE etl.chunk IS 'The key ranges of each loaded table, with the proof of what raw holds.';
COMMENT ON COLUMN etl.chunk.text_digest IS 'SHA-256 of the row text that the source sent.';
COMMENT ON COLUMN etl.chunk.raw_digest IS 'Sum of hash_record_extended over the rows of raw.';
