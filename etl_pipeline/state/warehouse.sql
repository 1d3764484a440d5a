-- What the pipeline remembers, in the warehouse itself: schema etl, never read by dbt models.
-- Every statement may run again and again; the schema is there already.

CREATE TABLE IF NOT EXISTS etl.version (
    version integer PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS etl.run (
    run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    outcome      text,
    etl_version  text NOT NULL,
    host         text NOT NULL,
    process_id   integer NOT NULL
);
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS token bytea NOT NULL DEFAULT '';
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS os_user text NOT NULL DEFAULT '';
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS selection jsonb NOT NULL DEFAULT '{}';
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS continues bigint;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS backend_pid integer NOT NULL DEFAULT 0;
ALTER TABLE etl.run DROP CONSTRAINT IF EXISTS run_outcome_check;
ALTER TABLE etl.run ADD CONSTRAINT run_outcome_check
    CHECK (outcome IN ('succeeded', 'failed', 'stopped', 'lost'));
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_statements bigint;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_seconds double precision;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_rows bigint;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_bytes bigint;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_longest_seconds double precision;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_longest_of text;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_waited_seconds double precision;
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS encryption jsonb NOT NULL DEFAULT '{}';
ALTER TABLE etl.run ADD COLUMN IF NOT EXISTS source_clock timestamp;
COMMENT ON COLUMN etl.run.source_clock IS 'What the source''s clock showed when the run began, in the time zone of its server.';
COMMENT ON COLUMN etl.run.encryption IS 'Of the three lines: version of TLS, whether the certificate was verified, whether it stays on the machine.';
COMMENT ON COLUMN etl.run.source_statements IS 'Sent to the source, with all that follows; NULL while the run goes on.';
COMMENT ON TABLE etl.run IS 'One row a run; outcome is NULL while it is going on and after a kill.';
COMMENT ON COLUMN etl.run.token IS '16 random bytes that name the run in both targets.';
COMMENT ON COLUMN etl.run.selection IS 'What was asked for: tables, and whether everything anew.';
COMMENT ON COLUMN etl.run.continues IS 'The run that was cut off and that this one went on with.';

-- Apart from etl.run, whose row is locked by every transaction that loads.
CREATE TABLE IF NOT EXISTS etl.heartbeat (
    run_id   bigint PRIMARY KEY REFERENCES etl.run ON DELETE CASCADE,
    seen_at  timestamptz NOT NULL
);
COMMENT ON TABLE etl.heartbeat IS 'When each run last gave a sign of life.';

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
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS finished_at timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS rows_read bigint NOT NULL DEFAULT 0;
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS read_from timestamptz;
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS read_to timestamptz;
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS proven_at timestamptz;
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS watermark text;
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS notes jsonb NOT NULL DEFAULT '[]';
ALTER TABLE etl.table_run ADD COLUMN IF NOT EXISTS finished_in bigint;
COMMENT ON COLUMN etl.table_run.grade IS 'Grade of the proof that was reached; NULL for a table that failed, and after one hop alone.';
COMMENT ON COLUMN etl.table_run.altered IS 'Values that raw cannot hold, by column and kind.';
COMMENT ON COLUMN etl.table_run.proven_at IS 'The oldest instant of the last proof of every value.';
COMMENT ON COLUMN etl.table_run.finished_in IS 'The run that did this before it was cut off.';

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
ALTER TABLE etl.chunk ADD COLUMN IF NOT EXISTS is_text_digest boolean NOT NULL DEFAULT true;
ALTER TABLE etl.chunk ADD COLUMN IF NOT EXISTS compared_at timestamptz;
COMMENT ON COLUMN etl.chunk.compared_at IS 'When raw was last given all of its rows, or had the digest that is recorded; NULL where that is not known.';
COMMENT ON TABLE etl.chunk IS 'The key ranges of each loaded table, with the proof of what raw holds.';
COMMENT ON COLUMN etl.chunk.text_digest IS 'SHA-256 of the row text that the source sent.';
COMMENT ON COLUMN etl.chunk.is_text_digest IS 'False where rows were written since all of the text was read.';
COMMENT ON COLUMN etl.chunk.raw_digest IS 'Sum of hash_record_extended over the rows of raw.';

CREATE TABLE IF NOT EXISTS etl.table_schema (
    table_name    text PRIMARY KEY,
    source        jsonb NOT NULL,
    column_types  jsonb NOT NULL,
    kept_columns  jsonb NOT NULL DEFAULT '{}',
    run_id        bigint NOT NULL,
    loaded_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE etl.table_schema ADD COLUMN IF NOT EXISTS meaning_digest text;
COMMENT ON TABLE etl.table_schema IS 'The schema that each table of raw was last loaded with.';
COMMENT ON COLUMN etl.table_schema.column_types IS 'Type in raw of each column, by name.';
COMMENT ON COLUMN etl.table_schema.meaning_digest IS 'SHA-256 of all that makes row text these values; NULL where etl.chunk is not to be believed.';
COMMENT ON COLUMN etl.table_schema.kept_columns IS 'Columns of raw that the source has no more, with their types.';

CREATE TABLE IF NOT EXISTS etl.raw_counter (
    relation_name   text PRIMARY KEY,
    relation        bigint NOT NULL,
    filenode        bigint NOT NULL,
    inserted        bigint NOT NULL,
    updated         bigint NOT NULL,
    deleted         bigint NOT NULL,
    counting_since  text NOT NULL
);
COMMENT ON TABLE etl.raw_counter IS 'What PostgreSQL has counted of each table of raw when nobody but us had written there.';

CREATE TABLE IF NOT EXISTS etl.source_table (
    table_name    text PRIMARY KEY,
    first_run_id  bigint NOT NULL,
    gone_run_id   bigint
);
COMMENT ON TABLE etl.source_table IS 'Every table that the source has had; gone_run_id is the run that missed it.';

CREATE TABLE IF NOT EXISTS etl.origin (
    singleton      boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    server         text NOT NULL,
    database_name  text NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE etl.origin IS 'One row: the database of the source that the warehouse is a copy of.';

CREATE TABLE IF NOT EXISTS etl.drift_event (
    run_id           bigint NOT NULL REFERENCES etl.run ON DELETE CASCADE,
    table_name       text NOT NULL,
    kind             text NOT NULL,
    subject          text NOT NULL DEFAULT '',
    detail           text NOT NULL,
    verdict          text NOT NULL CHECK (verdict IN ('follow', 'refuse', 'reload', 'report')),
    replication_ddl  text[] NOT NULL DEFAULT '{}',
    raw_ddl          text[] NOT NULL DEFAULT '{}',
    dependents       text[] NOT NULL DEFAULT '{}',
    done_at          timestamptz,
    PRIMARY KEY (run_id, table_name, kind, subject)
);
ALTER TABLE etl.drift_event ADD COLUMN IF NOT EXISTS replicated_at timestamptz;
COMMENT ON COLUMN etl.drift_event.replicated_at IS 'When replication had followed; NULL where nothing was to be done there.';
COMMENT ON TABLE etl.drift_event IS 'Changes of the source''s schema, in the run that met them.';
COMMENT ON COLUMN etl.drift_event.done_at IS 'NULL while it is only meant to be done, and where it was refused.';

CREATE TABLE IF NOT EXISTS etl.build (
    build_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shows_at     timestamptz NOT NULL,
    run_id       bigint,
    as_of        date,
    finished_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome      text NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
    seconds      double precision NOT NULL,
    etl_version  text NOT NULL,
    dbt_version  text NOT NULL
);
COMMENT ON TABLE etl.build IS 'One row a build of the models, written in its transaction: a build that was cut off has none, and changed nothing.';
COMMENT ON COLUMN etl.build.shows_at IS 'The instant at which every model of the build saw raw.';
COMMENT ON COLUMN etl.build.run_id IS 'The last run whose rows the build saw; NULL where no run is recorded.';
COMMENT ON COLUMN etl.build.as_of IS 'The day from which the models count.';

CREATE TABLE IF NOT EXISTS etl.build_node (
    node         text PRIMARY KEY,
    kind         text NOT NULL,
    build_id     bigint NOT NULL REFERENCES etl.build,
    status       text NOT NULL,
    failures     bigint,
    seconds      double precision NOT NULL,
    code_digest  text NOT NULL,
    inputs       jsonb NOT NULL,
    definition   text
);
COMMENT ON TABLE etl.build_node IS 'The last build of each model, seed and test, by dbt''s name of it.';
COMMENT ON COLUMN etl.build_node.inputs IS 'What the tables of raw held that it was made from, directly or not, by a digest each; NULL where that is not known.';
COMMENT ON COLUMN etl.build_node.definition IS 'Of a view the MD5 of its definition, of a table what PostgreSQL has counted of its rows; another one means that somebody else changed it.';

CREATE TABLE IF NOT EXISTS etl.follower (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    server       text NOT NULL,
    position     text NOT NULL,
    batch        bigint NOT NULL DEFAULT 0,
    source_at    timestamptz,
    shows_at     timestamptz,
    run_id       bigint,
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE etl.follower IS 'One row: how far raw has followed the binary log of the source.';
COMMENT ON COLUMN etl.follower.server IS 'The server whose log it is, as in etl.origin.';
COMMENT ON COLUMN etl.follower.position IS 'Place in the log from which to go on: what was committed before it is in raw.';
COMMENT ON COLUMN etl.follower.batch IS 'Number of the last batch, written in its transaction.';
COMMENT ON COLUMN etl.follower.source_at IS 'When the last transaction of the batch was committed at the source, by its clock.';
COMMENT ON COLUMN etl.follower.shows_at IS 'The instant at which raw shows all followed tables of InnoDB; NULL until the first batch after a run.';

CREATE TABLE IF NOT EXISTS etl.follower_table (
    table_name   text PRIMARY KEY,
    proven_at    timestamptz,
    waits_for    text
);
COMMENT ON TABLE etl.follower_table IS 'The tables that are followed.';
COMMENT ON COLUMN etl.follower_table.proven_at IS 'The oldest instant of the last proof of every value; every change that was logged since has been followed.';
COMMENT ON COLUMN etl.follower_table.waits_for IS 'Why a run has to compare the table before it is followed on; NULL where nothing does.';

CREATE TABLE IF NOT EXISTS etl.follower_minute (
    minute        timestamptz PRIMARY KEY,
    batches       integer NOT NULL,
    transactions  bigint NOT NULL,
    rows_changed  bigint NOT NULL,
    lag_seconds   double precision NOT NULL,
    changes       jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE etl.follower_minute IS 'One row a minute in which there were batches.';
COMMENT ON COLUMN etl.follower_minute.lag_seconds IS 'The longest of the minute, from a commit at the source to that in raw.';
COMMENT ON COLUMN etl.follower_minute.changes IS 'Changed rows in the log, by table.';
