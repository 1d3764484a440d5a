-- What is remembered of the replicas, beside them: written in the transactions that write rows.
-- Every statement may run again and again. A table is told from somebody else's of the same name by
-- its comment, which therefore never changes.

CREATE TABLE IF NOT EXISTS _etl_lease (
    singleton  tinyint NOT NULL PRIMARY KEY COMMENT 'always 1',
    run_token  binary(16) NOT NULL COMMENT 'the run that may write; etl.run.token'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'One row: whose these replicas are at the moment.';

CREATE TABLE IF NOT EXISTS _etl_origin (
    singleton      tinyint NOT NULL PRIMARY KEY COMMENT 'always 1',
    server         varchar(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'what the source''s server says of itself',
    database_name  varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'in lower case',
    recorded_at    datetime(6) NOT NULL COMMENT 'UTC'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'One row: the database that these replicas are a copy of.';

CREATE TABLE IF NOT EXISTS _etl_table (
    table_name          varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    ddl_digest          binary(32) NOT NULL COMMENT 'SHA-256 of the statements that made the replica',
    show_create_digest  binary(32) NOT NULL COMMENT 'SHA-256 of what SHOW CREATE TABLE said of it then',
    rendering_digest    binary(32) NOT NULL COMMENT 'SHA-256 of all that decides how its rows read as text',
    proven_at           datetime(6) NULL COMMENT 'UTC; oldest instant of the last full pass',
    watermark_column    varchar(64) NULL COMMENT 'incremental_column of the watermark',
    watermark           varchar(64) NULL COMMENT 'highest value of it whose rows are committed here'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'One row a replica.';

CREATE TABLE IF NOT EXISTS _etl_chunk (
    table_name      varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ordinal         int NOT NULL,
    lower_bound     decimal(20,0) NULL COMMENT 'smallest key; NULL where the range has no lower end',
    upper_bound     decimal(20,0) NULL COMMENT 'first key past it; NULL where it has no upper end',
    row_count       bigint NOT NULL,
    text_bytes      bigint NOT NULL COMMENT 'size of the row text when all of it was last read',
    altered         text NOT NULL COMMENT 'values of it that PostgreSQL cannot hold: JSON, [[column, kind, count], …]',
    text_digest     binary(32) NOT NULL COMMENT 'SHA-256 of the row text that the source sent',
    is_text_digest  tinyint NOT NULL COMMENT '0: rows were written since; it only tells this state from others',
    key_digest      binary(32) NULL COMMENT 'SHA-256 of the text of the keys alone; NULL where it is not known',
    read_at         datetime(6) NOT NULL COMMENT 'UTC; the instant at which the source was read',
    run_token       binary(16) NOT NULL COMMENT 'the run that read it; etl.run.token',
    PRIMARY KEY (table_name, ordinal)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'The key ranges of each replica.';

CREATE TABLE IF NOT EXISTS _etl_segment (
    table_name   varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ordinal      int NOT NULL COMMENT 'of the chunk',
    text_digest  binary(32) NOT NULL COMMENT 'of the chunk whose segments they are; they are void where it has another',
    segments     blob NOT NULL COMMENT 'for each segment: 9 bytes of its smallest key, 16 of the SHA-256 of its row text',
    PRIMARY KEY (table_name, ordinal)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'Digests of parts of chunks: they tell where in a chunk rows changed.';

CREATE TABLE IF NOT EXISTS _etl_compared (
    table_name   varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ordinal      int NOT NULL COMMENT 'of the chunk',
    text_digest  binary(32) NOT NULL COMMENT 'of the chunk when it was compared; void where it has another',
    compared_at  datetime(6) NULL COMMENT 'UTC; when it was given all of its rows, or read and found to have that digest',
    PRIMARY KEY (table_name, ordinal)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'When each chunk of a replica was last compared.';

CREATE TABLE IF NOT EXISTS _etl_update_time (
    table_name      varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    created_at      datetime NULL COMMENT 'CREATE_TIME of information_schema.tables',
    updated_at      datetime NULL COMMENT 'UPDATE_TIME there, when nobody but us had written; NULL where the server did not know',
    server_started  datetime NOT NULL COMMENT 'the server forgets update times when it restarts'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'When each replica was last written to.';

CREATE TABLE IF NOT EXISTS _etl_schema (
    table_name   varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ddl_digest   binary(32) NOT NULL COMMENT 'as in _etl_table',
    source       longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'JSON; the table of the source that it was made for',
    PRIMARY KEY (table_name, ddl_digest)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'What each definition stands for.';

CREATE TABLE IF NOT EXISTS _etl_alter (
    table_name          varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ordinal             int NOT NULL,
    ddl_digest_before   binary(32) NOT NULL COMMENT 'as in _etl_table, before the first statement',
    ddl_digest          binary(32) NOT NULL COMMENT 'as in _etl_table, after the last statement',
    statement           longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    show_create_digest  binary(32) NOT NULL COMMENT 'as in _etl_table, after the statement',
    PRIMARY KEY (table_name, ordinal)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'Alterations of replicas that are under way.';

CREATE TABLE IF NOT EXISTS _etl_follower (
    singleton   tinyint NOT NULL PRIMARY KEY COMMENT 'always 1',
    server      varchar(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'whose log it is; as in _etl_origin',
    position    longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'place in the log: what was committed before it is here',
    written_at  datetime(6) NOT NULL COMMENT 'UTC'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'One row: how far the replicas have followed the binary log of the source.';
