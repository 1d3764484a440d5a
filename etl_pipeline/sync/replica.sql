-- What is remembered of the replicas, beside them: written in the transactions that write rows.
-- Every statement may run again and again.

CREATE TABLE IF NOT EXISTS _etl_table (
    table_name  varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    definition  binary(32) NOT NULL COMMENT 'SHA-256 of the statements that made the replica',
    stands_as   binary(32) NOT NULL COMMENT 'SHA-256 of what SHOW CREATE TABLE said of it then',
    rendering   binary(32) NOT NULL COMMENT 'SHA-256 of all that decides how its rows read as text'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'One row a replica.';

CREATE TABLE IF NOT EXISTS _etl_chunk (
    table_name   varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ordinal      int NOT NULL,
    lower_bound  decimal(20,0) NULL COMMENT 'smallest key; NULL where the range has no lower end',
    upper_bound  decimal(20,0) NULL COMMENT 'first key past it; NULL where it has no upper end',
    row_count    bigint NOT NULL,
    text_digest  binary(32) NOT NULL COMMENT 'SHA-256 of the row text that the source sent',
    read_at      datetime(6) NOT NULL COMMENT 'UTC; the instant at which the source was read',
    PRIMARY KEY (table_name, ordinal)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT 'The key ranges of each replica.';
