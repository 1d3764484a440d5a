"""What is more than rows: definitions, statements as text, rollbacks, XA, cascades."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.binlog.following import Followed

TABLE = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int) ENGINE=InnoDB"
MYISAM = "CREATE TABLE m (id int NOT NULL PRIMARY KEY, v int) ENGINE=MyISAM"


def test_a_transaction_is_one(followed: Followed) -> None:
    followed.make(TABLE, MYISAM)
    followed.run("BEGIN", "INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (2, 1)", "COMMIT")
    followed.run("INSERT INTO m VALUES (7, 1)")
    found = followed.look()
    first, second = [t for t in found.transactions if t.tables]
    assert set(first.tables) == {"t"}
    assert set(second.tables) == {"m"}
    assert found.lines("t") == {b"1", b"2"}
    assert found.lines("m") == {b"7"}
    assert first.position.place < second.position.place
    assert first.position.gtid != second.position.gtid or not first.position.gtid


def skip_unless_mixed(followed: Followed) -> None:
    """Skip where the server lets no transaction write to MyISAM and to InnoDB."""
    if followed.is_mariadb:
        return
    with followed.admin.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.enforce_gtid_consistency")
        found = cursor.fetchone()
        if found is None or found[0] != "OFF":
            pytest.skip("the server refuses such transactions")


def test_a_rollback_is_not_in_the_log_but_for_myisam(followed: Followed) -> None:
    followed.make(TABLE, MYISAM)
    followed.run("BEGIN", "INSERT INTO t VALUES (1, 1)", "ROLLBACK")
    assert not followed.look().tables
    skip_unless_mixed(followed)
    followed.run("BEGIN", "INSERT INTO t VALUES (1, 1)", "INSERT INTO m VALUES (1, 1)", "ROLLBACK")
    assert b"1" in followed.look().lines("m")


def test_savepoints(followed: Followed) -> None:
    skip_unless_mixed(followed)
    followed.make(TABLE, MYISAM)
    followed.run("BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT s")
    followed.run("INSERT INTO t VALUES (2, 1)", "INSERT INTO m VALUES (1, 1)")
    followed.run("ROLLBACK TO s", "INSERT INTO t VALUES (3, 1)", "COMMIT")
    found = followed.look()
    assert found.lines("t") >= {b"1", b"3"}
    assert found.lines("m") == {b"1"}


@pytest.mark.parametrize(
    ("statement", "kinds", "is_whole"),
    [
        ("ALTER TABLE t ADD w int", ["ALTER TABLE"], True),
        ("TRUNCATE TABLE t", [], True),
        ("DROP TABLE t", ["DROP TABLE"], True),
        ("RENAME TABLE t TO u", ["RENAME TABLE"], True),
        ("CREATE INDEX i ON t (v)", ["CREATE INDEX"], False),
        ("ALTER TABLE t RENAME COLUMN v TO w", ["ALTER TABLE"], True),
        ("ANALYZE TABLE t", [], False),
        ("OPTIMIZE TABLE t", [], False),
        ("CREATE VIEW w AS SELECT * FROM t", [], False),
        ("CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 1", [], False),
        ("CREATE TEMPORARY TABLE x AS SELECT * FROM t", [], False),
    ],
)
def test_definitions(followed: Followed, statement: str, kinds: list[str], is_whole: bool) -> None:
    followed.make(TABLE)
    followed.run("INSERT INTO t VALUES (1, 1)")
    followed.look()
    followed.run(statement)
    found = followed.look()
    assert found.ddl("t") == kinds
    assert bool(found.whole("t")) is is_whole
    assert not found.everything


def test_a_table_that_is_made_from_another(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run(
        "INSERT INTO t VALUES (1, 1)", "CREATE TABLE u (PRIMARY KEY (id)) AS SELECT * FROM t"
    )
    found = followed.look()
    assert found.ddl("u") == ["CREATE TABLE"]
    assert found.whole("u")
    assert found.lines("t") == {b"1"}


def test_columns_that_change_within_the_log(followed: Followed) -> None:
    """Rows of another definition than the catalog's are not guessed at."""
    followed.make(TABLE)
    followed.run("INSERT INTO t VALUES (1, 1)", "ALTER TABLE t ADD w int FIRST")
    followed.layouts = followed.read_layouts()
    found = followed.look()
    assert any("number of columns" in reason for reason in found.whole("t"))


@pytest.mark.parametrize("form", ["STATEMENT", "MIXED"])
def test_statements_as_text_mark_tables(followed: Followed, form: str) -> None:
    followed.make(TABLE, MYISAM)
    followed.run(f"SET SESSION binlog_format = {form}", "INSERT INTO t VALUES (1, 1)")
    assert any("binlog_format" in reason for reason in followed.look().everything)
    followed.may_have_triggers = False
    followed.stop()
    followed.run("UPDATE t SET v = 2", "INSERT INTO m (id, v) SELECT id, LENGTH(v) FROM t")
    found = followed.look()
    assert not found.everything
    assert found.whole("t")
    assert found.whole("m")
    followed.run("CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1", "UPDATE t SET v = f()")
    assert followed.look().everything


def test_loaded_files_are_rows(
    followed: Followed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    followed.make(TABLE)
    with followed.admin.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.local_infile")
        before = cursor.fetchone()
    file = tmp_path_factory.mktemp("load") / "rows"
    file.write_text("5\t1\n6\t2\n")
    followed.run("SET GLOBAL local_infile = ON")
    try:
        with closing(followed.server.connect(followed.name)) as admin, admin.cursor() as cursor:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE t")
    finally:
        followed.run(f"SET GLOBAL local_infile = {before[0] if before else 'ON'}")
    assert followed.look().lines("t") == {b"5", b"6"}


def test_xa(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run("XA START 'a'", "INSERT INTO t VALUES (1, 1)", "XA END 'a'", "XA PREPARE 'a'")
    followed.look()
    with closing(followed.server.connect(followed.name)) as other, other.cursor() as cursor:
        # The session that prepared it gives it up only when it ends.
        followed.admin.close()
        followed.admin = followed.server.connect(followed.name)
        _until(cursor, "XA COMMIT 'a'")
    found = followed.look()
    assert found.lines("t") == {b"1"}


def test_an_xa_transaction_that_began_before_the_reader(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run("XA START 'b'", "INSERT INTO t VALUES (1, 1)", "XA END 'b'", "XA PREPARE 'b'")
    followed.look()
    followed.stop()
    followed.admin.close()
    followed.admin = followed.server.connect(followed.name)
    with followed.admin.cursor() as cursor:
        _until(cursor, "XA COMMIT 'b'")
    assert any("XA" in reason for reason in followed.look().everything)


def test_xa_in_one_phase(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run(
        "XA START 'c'", "INSERT INTO t VALUES (4, 1)", "XA END 'c'", "XA COMMIT 'c' ONE PHASE"
    )
    assert followed.look().lines("t") == {b"4"}


def _until(cursor: object, statement: str) -> None:
    """Run *statement* once the server has noticed that a session ended."""
    import time

    import pymysql

    for _ in range(200):
        try:
            cursor.execute(statement)  # type: ignore[attr-defined]
        except pymysql.MySQLError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(statement)


def test_cascades_mark_the_children(followed: Followed) -> None:
    followed.make(
        TABLE,
        "CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES t (id)"
        " ON DELETE CASCADE ON UPDATE SET NULL)",
        "CREATE TABLE d (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES c (id)"
        " ON DELETE SET NULL)",
        "CREATE TABLE e (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES t (id))",
    )
    followed.run("INSERT INTO t VALUES (1, 1), (2, 1)", "INSERT INTO c VALUES (1, 1), (2, 2)")
    followed.run("INSERT INTO d VALUES (1, 1)")
    assert not followed.look().whole("c")
    followed.run("DELETE FROM t WHERE id = 1")
    found = followed.look()
    assert found.lines("t") == {b"1"}
    if followed.layouts["t"].cascades.on_delete:
        assert found.whole("c")
        assert found.whole("d")
        assert not found.whole("e")
    else:
        assert found.lines("c") == {b"1"}
        assert found.lines("d") == {b"1"}


def test_a_table_without_a_key_is_compared(followed: Followed) -> None:
    followed.make("CREATE TABLE n (v int)")
    followed.run("INSERT INTO n VALUES (1)")
    assert followed.look().whole("n") == ["it has no primary key"]


def test_other_databases_and_tables_are_passed_over(followed: Followed) -> None:
    followed.make(TABLE, MYISAM)
    del followed.layouts["m"]
    other = f"{followed.name}_x"
    followed.run(f"CREATE DATABASE {other}", f"CREATE TABLE {other}.t (id int PRIMARY KEY)")
    followed.run(f"INSERT INTO {other}.t VALUES (1)", "INSERT INTO m VALUES (1, 1)")
    followed.run(f"DROP DATABASE {other}", "INSERT INTO t VALUES (1, 1)")
    found = followed.look()
    assert found.tables == {"t"}
    assert not found.everything


def test_dropping_the_database_is_everything(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run(f"DROP DATABASE {followed.name}", f"CREATE DATABASE {followed.name}")
    followed.run(f"USE {followed.name}")
    assert followed.look().everything


def test_compressed_events_of_mariadb(followed: Followed) -> None:
    if not followed.is_mariadb:
        pytest.skip("MySQL has another way")
    followed.make("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v text)")
    followed.run("SET GLOBAL log_bin_compress = ON")
    try:
        with closing(followed.server.connect(followed.name)) as admin, admin.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (1, REPEAT('x', 5000)), (2, REPEAT('y', 5000))")
            cursor.execute("UPDATE t SET v = REPEAT('z', 4000)")
            cursor.execute("DELETE FROM t WHERE id = 2")
            long = "x" * 500
            cursor.execute(f"ALTER TABLE t COMMENT '{long}'")
    finally:
        followed.run("SET GLOBAL log_bin_compress = OFF")
    found = followed.look()
    assert found.ddl("t") == ["ALTER TABLE"]
    keys = [t.tables["t"].keys for t in found.transactions if "t" in t.tables]
    assert [set(k.lines()) for k in keys if k is not None] == [{b"1", b"2"}, {b"1", b"2"}, {b"2"}]


def test_compressed_transactions_of_mysql(followed: Followed) -> None:
    if followed.is_mariadb:
        pytest.skip("MariaDB has another way")
    pytest.importorskip("backports.zstd")
    followed.make(TABLE)
    followed.run("SET SESSION binlog_transaction_compression = ON")
    followed.run("BEGIN", *(f"INSERT INTO t VALUES ({n}, 1)" for n in range(300)), "COMMIT")
    found = followed.look()
    assert len([t for t in found.transactions if t.tables]) == 1
    assert found.lines("t") == {b"%d" % n for n in range(300)}


def test_partial_json_updates_of_mysql(followed: Followed) -> None:
    if followed.is_mariadb:
        pytest.skip("MariaDB has no such rows")
    followed.make("CREATE TABLE j (a json, id int PRIMARY KEY, b json, v varchar(20))")
    followed.run(
        "SET SESSION binlog_row_value_options = PARTIAL_JSON, binlog_row_image = MINIMAL",
        """INSERT INTO j VALUES ('{"a": "long enough to be changed"}', 1, '{"b": 1}', 'x'),
           ('{"a": "long enough to be changed"}', 2, NULL, 'x')""",
        "UPDATE j SET a = JSON_SET(a, '$.a', 'short'), v = 'y'",
        "UPDATE j SET id = id + 10, b = JSON_SET(b, '$.b', 2)",
    )
    assert followed.look().lines("j") == {b"1", b"2", b"11", b"12"}


def test_tagged_numbers_of_mysql(followed: Followed) -> None:
    if followed.is_mariadb:
        pytest.skip("MariaDB has no tags")
    with followed.admin.cursor() as cursor:
        cursor.execute("SELECT @@gtid_mode")
        mode = cursor.fetchone()
        if mode is None or mode[0] != "ON":
            pytest.skip("no GTIDs")
    followed.make(TABLE)
    followed.run("SET gtid_next = 'AUTOMATIC:mark'", "INSERT INTO t VALUES (1, 1)")
    found = followed.look()
    assert found.lines("t") == {b"1"}
    assert ":mark:" in found.transactions[-1].position.gtid
    followed.run("SET gtid_next = 'AUTOMATIC'")


def test_a_layout_from_before_a_definition_is_not_used(followed: Followed) -> None:
    """Two columns that change places look the same in the log."""
    followed.make(TABLE)
    followed.run("INSERT INTO t VALUES (1, 7)", "ALTER TABLE t MODIFY v int FIRST")
    followed.run("INSERT INTO t (id, v) VALUES (2, 9)")
    found = followed.look()
    assert len(found.whole("t")) == 2
    assert followed.look().whole("t") == []
    followed.layouts = followed.read_layouts()
    followed.run("INSERT INTO t (id, v) VALUES (3, 11)")
    assert followed.look().lines("t") == {b"3"}
    # An index is no reason to read the catalog again.
    followed.run("CREATE INDEX i ON t (v)", "INSERT INTO t (id, v) VALUES (4, 11)")
    assert followed.look().lines("t") == {b"4"}
