"""Which statements the guard lets through, without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.core.source_guard import check_statement, is_reading
from etl_pipeline.core.sql_tokens import TokenKind, UnclearTextError, split_tokens
from etl_pipeline.errors import StatementRefusedError

READING = [
    "SELECT 1",
    "select * from patient;",
    "SELECT `PatNum`, `into`, `for update` FROM `patient` WHERE `PatNum` BETWEEN 1 AND 5000",
    "SELECT t.into, t.delete, t.lock FROM patient t",
    "SELECT 'for update; delete from x', \"into outfile\", 'it''s', 'back\\'slash' FROM t",
    "SELECT '\\\\' FROM t",
    "SELECT COUNT(*), MAX(DateTStamp) FROM patient -- into outfile",
    "SELECT 1 # ; delete from patient\n FROM t",
    "/* leading */ SELECT /* inner; into */ 1",
    "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1",
    "WITH a AS (SELECT 1), b (x, `y`) AS (SELECT 1, 2) SELECT * FROM a, b",
    "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
    "SELECT SHA2(CONCAT_WS('#', a, b), 256), HEX(c), CAST(d AS DOUBLE), ST_AsBinary(g) FROM t",
    "SELECT REPLACE(a, 'x', 'y'), INSERT(a, 1, 2, 'z'), IF(a IN (1), 2, 3) FROM t",
    "SELECT CAST(a AS DECIMAL(10, 2)), CAST(b AS CHAR(5)) FROM t USE INDEX (PRIMARY)",
    "SELECT -1, 1.5e3, .5, 0x41, x'41', b'01', N'a', _binary'b', 5--1",
    "SELECT SUBSTRING(a FROM 1 FOR 2) FROM t",
    "SELECT @@hostname, @@session.sql_mode",
    "SHOW TABLES",
    "SHOW FULL COLUMNS FROM `patient`",
    "SHOW CREATE TABLE patient",
    "SHOW PROCEDURE STATUS",
    "SHOW PROCESSLIST",
    "DESCRIBE patient",
    "DESCRIBE `select`",
    "DESC `db`.`patient` 'col%'",
    "EXPLAIN SELECT * FROM patient",
    "EXPLAIN FORMAT=JSON SELECT 1",
    "EXPLAIN EXTENDED SELECT 1",
]
OF_A_SESSION = [
    "START TRANSACTION READ ONLY",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "start transaction with consistent snapshot, read only",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET NAMES utf8mb4",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET AUTOCOMMIT = 0",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ ONLY",
    "SET SESSION net_write_timeout = 600",
    "SET time_zone = '+00:00'",
    "KILL QUERY 17",
]
REFUSED = [
    "SELECT ST_Purge(1) FROM t",
    "SELECT JSON_export(note) FROM patient",
    "SELECT REGEXP_replace_all(note, 'a', 'b') FROM patient",
    "SELECT `st_purge`(1)",
    "",
    " ; ",
    "INSERT INTO t VALUES (1)",
    "WITH x AS (SELECT 1) DELETE FROM patient",
    "WITH x AS (SELECT 1) UPDATE patient SET a = 1",
    "WITH x (a) AS (SELECT 1) INSERT INTO t SELECT * FROM x",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1 INTO @a",
    "SELECT * FROM t FOR UPDATE",
    "SELECT * FROM t FOR/**/UPDATE",
    "SELECT * FROM t FOR SHARE SKIP LOCKED",
    "SELECT * FROM t LOCK IN SHARE MODE",
    "SELECT GET_LOCK('a', 1)",
    "SELECT `GET_LOCK`('a', 1)",
    "SELECT GET_LOCK /* x */ ('a', 1)",
    "SELECT SLEEP(10)",
    "SELECT BENCHMARK(1000000, 1)",
    "SELECT LOAD_FILE('/etc/passwd')",
    "SELECT NEXTVAL(s)",
    "SELECT NEXT VALUE FOR s",
    "SELECT practice.change_it(1)",
    "SELECT practice . `change_it` (1)",
    "SELECT change_it(1)",
    "SELECT * FROM t WHERE a = (SELECT change_it(1))",
    "SELECT * FROM t PROCEDURE ANALYSE()",
    "SHOW TABLES WHERE SLEEP(5)",
    "EXPLAIN SELECT SLEEP(5)",
    "EXPLAIN ANALYZE SELECT 1",
    "EXPLAIN DELETE FROM t",
    "EXPLAIN FOR CONNECTION 5",
    "EXPLAIN",
    "DESCRIBE UPDATE t SET a = 1",
    "ANALYZE DELETE FROM t",
    "ANALYZE SELECT 1",
    "ANALYZE TABLE t",
    "CALL change()",
    "DO SLEEP(1)",
    "HANDLER t OPEN",
    "SET GLOBAL read_only = 0",
    "SET @@global.read_only = 0",
    "SET PERSIST max_connections = 1",
    "SET SESSION TRANSACTION READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET SESSION max_statement_time = 0",
    "SET STATEMENT max_statement_time = 0 FOR SELECT 1",
    "SET SESSION sql_mode = 'ANSI_QUOTES'",
    "SET NAMES gbk",
    "SET autocommit = 0, GLOBAL read_only = 0",
    "SET PASSWORD = 'x'",
    "START TRANSACTION READ WRITE",
    "START TRANSACTION READ ONLY, READ WRITE",
    "SELECT 1; DELETE FROM t",
    "SELECT 1;;",
    "SELECT 1 /*! INTO OUTFILE '/tmp/x' */",
    "SELECT 1 /*!50000 FOR UPDATE */",
    "SELECT /*M! 1 */ 1",
    "SELECT /*m!100000 1 */ 1",
    "SELECT /*+ SET_VAR(max_execution_time=0) */ 1",
    "/*! DELETE FROM t */",
    "SELECT 'open",
    "SELECT `open",
    "SELECT /* open",
    "SELECT 1.INTO OUTFILE '/tmp/x'",
    "SELECT 1e5INTO OUTFILE '/tmp/x'",
    "SELECT 1.e.INTO",
    "SELECT 0x41INTO OUTFILE '/tmp/x'",
    "SELECT ''.INTO OUTFILE '/tmp/x'",
    "SELECT t. INTO OUTFILE '/tmp/x'",
    "SELECT t .INTO OUTFILE '/tmp/x'",
    "SELECT @ INTO OUTFILE '/tmp/x'",
    "SELECT 1 --1\n INTO OUTFILE '/tmp/x'",
    "SELECT 1 --\x01 INTO OUTFILE",
    "SELECT 1 -- \0 INTO OUTFILE '/tmp/x'",
    "SELECT '\\' INTO OUTFILE \\'/tmp/x",
    'SELECT "\\" ", 1 INTO OUTFILE \'/tmp/x\'',
    "(((DELETE FROM t)))",
    "`SELECT` 1",
    "`SHOW` TABLES",
    "(DELETE FROM t WHERE a IN (SELECT 1))",
    "TABLE t INTO OUTFILE '/tmp/x'",
    "VALUES ROW(1)",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
    "LOCK TABLES t READ",
    "FLUSH TABLES WITH READ LOCK",
    "CREATE TEMPORARY TABLE x (a INT)",
    "PREPARE s FROM 'DELETE FROM t'",
    "EXECUTE IMMEDIATE 'DELETE FROM t'",
    "BEGIN NOT ATOMIC DELETE FROM t; END",
    "KILL 17",
    "KILL QUERY ID 17",
    "KILL CONNECTION 17",
    "KILL USER app",
    "USE other",
    "XA START 'a'",
    "SAVEPOINT a",
    "BACKUP STAGE START",
]


@pytest.mark.parametrize("statement", READING)
def test_reading_passes(statement: str) -> None:
    check_statement(statement)
    check_statement(statement.encode())
    assert is_reading(statement)


@pytest.mark.parametrize("statement", OF_A_SESSION)
def test_what_shapes_a_session_passes_but_is_not_reading(statement: str) -> None:
    check_statement(statement)
    assert not is_reading(statement)


@pytest.mark.parametrize("statement", REFUSED)
def test_everything_else_is_refused(statement: str) -> None:
    with pytest.raises(StatementRefusedError):
        check_statement(statement)
    assert not is_reading(statement)


def test_the_error_names_the_form_and_quotes_nothing() -> None:
    with pytest.raises(StatementRefusedError) as caught:
        check_statement("UPDATE patient SET SSN = 'hunter2' WHERE LName = 'Muster'")
    assert "UPDATE" in str(caught.value)
    for value in ("hunter2", "Muster", "SSN", "patient"):
        assert value not in str(caught.value)
    with pytest.raises(StatementRefusedError) as caught:
        check_statement("hunter2 is a password")
    assert "hunter2" not in str(caught.value)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(StatementRefusedError):
        check_statement(b"SELECT '\xbf\x27 INTO OUTFILE 1'")


QUOTED = st.text().map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "''") + "'")
NAMES = st.text().map(lambda text: "`" + text.replace("`", "``") + "`")
SPACES = st.sampled_from([" ", "\n", "\t", "/**/", " -- into\n", "/* for update */", "\v"])
WRITES = ["INTO OUTFILE", "FOR UPDATE", "LOCK IN SHARE MODE", "; DELETE FROM t", "INTO @a"]


@given(QUOTED, NAMES, SPACES)
def test_no_content_of_quotations_is_refused(value: str, name: str, space: str) -> None:
    check_statement(f"SELECT{space}{value}{space}AS{space}{name}{space}FROM{space}{name}")


@given(QUOTED, NAMES, SPACES, st.sampled_from(WRITES))
def test_no_content_of_quotations_hides_a_write(
    value: str, name: str, space: str, write: str
) -> None:
    with pytest.raises(StatementRefusedError):
        check_statement(f"SELECT{space}{value}{space}AS{space}{name}{space}{write}{space}{value}")


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *("SELECT", "INTO", "FOR", "UPDATE", "SET", "x", "e", "é", "1", "0x4", " ", "\n"),
            *(
                "'",
                '"',
                "`",
                "\\",
                "/*",
                "*/",
                "--",
                "#",
                ".",
                "(",
                ")",
                ";",
                "@",
                ",",
                "!",
                "=",
                "\0",
            ),
        ]
    ),
    max_size=25,
).map("".join)


@given(FRAGMENTS)
def test_any_text_passes_or_is_refused_and_nothing_else(text: str) -> None:
    try:
        check_statement(text)
    except StatementRefusedError:
        return
    words = [token.text for token in split_tokens(text) if token.kind is TokenKind.WORD]
    assert words[0] in ("SELECT", "SET")


@given(FRAGMENTS)
def test_tokens_come_in_order_and_never_overlap(text: str) -> None:
    try:
        tokens = split_tokens(text)
    except UnclearTextError:
        return
    ends = [0, *(token.end for token in tokens)]
    assert all(token.start >= end for token, end in zip(tokens, ends, strict=False))
