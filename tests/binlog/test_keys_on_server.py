"""Keys of every type come out of the log as the source's own reader prints them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.binlog.following import changed
from tests.rows import numbers

if TYPE_CHECKING:
    from tests.binlog.following import Followed

OTHERS = (
    "a int, b varchar(20), c varchar(400), d text, e decimal(20,6), f datetime(3), g double, "
    "h bit(11), i enum('x','y'), j set('p','q'), k char(30), l varbinary(300), m blob, n time(6), "
    "o timestamp(4) NULL, p year, q date, r mediumtext, s float, t bigint unsigned"
)
KEYS = {
    "tinyint": ("tinyint", "-128", "0", "127", "5"),
    "tinyint unsigned": ("tinyint unsigned", "0", "255", "128"),
    "smallint": ("smallint", "-32768", "32767", "0"),
    "smallint unsigned": ("smallint unsigned", "65535", "40000"),
    "mediumint": ("mediumint", "-8388608", "8388607", "-1"),
    "mediumint unsigned": ("mediumint unsigned", "16777215", "9000000"),
    "int": ("int", "-2147483648", "2147483647", "0"),
    "int unsigned": ("int unsigned", "4294967295", "3000000000"),
    "bigint": ("bigint", "-9223372036854775808", "9223372036854775807", "-1"),
    "bigint unsigned": ("bigint unsigned", "18446744073709551615", "9223372036854775808", "0"),
    "zerofill": ("int(7) zerofill", "5", "123456789"),
    "decimal": ("decimal(23,7)", "-1234567890123456.1234567", "0", "-0.0000001", "99.5"),
    "decimal whole": ("decimal(9,0)", "-999999999", "0", "7"),
    "decimal fraction": ("decimal(12,12)", "-0.000000000001", "0.5", "0"),
    "decimal zerofill": ("decimal(7,2) zerofill", "5.5", "0"),
    "char": ("char(10)", "'a'", "''", "'ä\\\\ß'", "'x\\ty'", "'Z  '"),
    "varchar": ("varchar(50)", "'a'", "''", "'ä\\n'", "'日本'", "'q\\0z'"),
    "varchar long": ("varchar(300)", "'a'", "REPEAT('ü', 150)"),
    "char latin1": ("char(9) CHARACTER SET latin1", "'é€'", "'plain'"),
    "varchar utf16": ("varchar(9) CHARACTER SET utf16", "'é€'", "'p'"),
    "varchar ucs2": ("varchar(9) CHARACTER SET ucs2", "'é€'", "'p'"),
    "varchar cp1250": ("varchar(9) CHARACTER SET cp1250", "'ascii'", "'p'"),
    "char ascii": ("char(9) CHARACTER SET ascii", "'a'", "'b c'"),
    "binary": ("binary(6)", "'a'", "x'000100'", "x'FFFFFFFFFFFF'", "''"),
    "varbinary": ("varbinary(300)", "'a'", "x'00'", "x'0000'", "''", "REPEAT('x', 290)"),
    "date": ("date", "'2026-11-29'", "'0000-00-00'", "'9999-12-31'", "'2026-00-00'"),
    "time": ("time", "'12:34:56'", "'-838:59:59'", "'838:59:59'", "'-00:00:01'", "'0:0:0'"),
    "time(2)": ("time(2)", "'12:34:56.78'", "'-01:02:03.45'", "'-00:00:00.01'"),
    "time(3)": ("time(3)", "'12:34:56.789'", "'-01:02:03.456'"),
    "time(6)": ("time(6)", "'12:34:56.789012'", "'-01:02:03.000001'", "'-00:00:00.999999'"),
    "datetime": ("datetime", "'2026-11-29 01:02:03'", "'0000-00-00'", "'9999-12-31 23:59:59'"),
    "datetime(1)": ("datetime(1)", "'2026-11-29 01:02:03.4'", "'2026-01-01'"),
    "datetime(6)": ("datetime(6)", "'2026-11-29 01:02:03.456789'", "'1000-01-01'"),
    "timestamp": ("timestamp", "'2026-11-29 01:02:03'", "'0000-00-00'", "'1970-01-01 00:00:01'"),
    "timestamp(5)": ("timestamp(5)", "'2026-11-29 01:02:03.45678'", "'2038-01-19 03:14:07'"),
    "year": ("year", "2026", "1901", "2155", "0"),
    "enum": ("enum('red','it''s','ü\\\\x')", "'red'", "'it''s'", "'ü\\\\x'"),
    "set": ("set('a','b','c d')", "'a'", "'a,c d'", "''"),
    "bit": ("bit(11)", "b'10000000001'", "0", "b'111'"),
    "bit(1)": ("bit(1)", "0", "1"),
    "bit(64)": ("bit(64)", "18446744073709551615", "1"),
    "float": ("float", "0.1", "-3.4e38", "1e-30", "0", "16777216"),
    "double": ("double", "0.1", "-1.7e308", "5e-324", "0", "1e22"),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("image", ["FULL", "MINIMAL"])
def test_keys_are_what_the_reader_prints(followed: Followed, kind: str, image: str) -> None:
    declared, *values = KEYS[kind]
    followed.make(f"CREATE TABLE t (a int, id {declared} NOT NULL, z int, PRIMARY KEY (id))")
    followed.run(f"SET SESSION binlog_row_image = {image}")
    followed.run("SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
    before = followed.keys("t")
    for value in values:
        followed.run(f"INSERT INTO t (a, id, z) VALUES (1, {value}, NULL)")
    written = followed.keys("t")
    assert followed.look().lines("t") == changed(before, written) == set(written)
    followed.run("UPDATE t SET a = a + 1")
    assert followed.look().lines("t") == set(written)
    followed.run("DELETE FROM t")
    assert followed.look().lines("t") == set(written)


def test_a_key_behind_columns_of_every_size(followed: Followed) -> None:
    followed.make(
        f"CREATE TABLE t ({OTHERS}, id int NOT NULL, w varchar(9) NOT NULL, PRIMARY KEY (w, id))"
    )
    insert = (
        "INSERT INTO t (a, b, c, d, e, h, i, k, l, n, o, r, id, w) SELECT "
        "IF(id % 2, NULL, id), IF(id % 3, REPEAT('b', id % 20), NULL), REPEAT('ç', id * 7 % 400),"
        " REPEAT('d', id * 131 % 70000), id / 3, id, 1 + id % 2, 'k', REPEAT('l', id), '1:2:3.4',"
        " IF(id % 5, NULL, '2026-01-02 03:04:05'), 'r', id, CONCAT('w', id % 4)"
        " FROM (SELECT seq AS id FROM " + numbers(24) + ") AS numbers"
    )
    followed.run(insert)
    written = followed.keys("t")
    assert len(written) == 24
    assert followed.look().lines("t") == set(written)
    followed.run(
        "UPDATE t SET d = NULL, c = NULL WHERE id % 2", "UPDATE t SET id = -id WHERE id < 9"
    )
    assert followed.look().lines("t") == changed(written, followed.keys("t"))


@pytest.mark.parametrize("image", ["FULL", "MINIMAL", "NOBLOB"])
@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
@pytest.mark.parametrize("seed", [1, 2])
def test_random_changes(followed: Followed, image: str, engine: str, seed: int) -> None:
    """Every row that is not what it was has its key told, and no key of a row nobody touched."""
    shapes = {
        "one": "id int NOT NULL, v varchar(300), x text, PRIMARY KEY (id)",
        "last": "v varchar(300), x text, n int, id bigint unsigned NOT NULL, PRIMARY KEY (id)",
        "two": "x text, b int NOT NULL, v varchar(300), id int NOT NULL, PRIMARY KEY (id, b)",
        "text": "x text, v varchar(300), id varchar(20) NOT NULL, PRIMARY KEY (id)",
    }
    followed.make(*(f"CREATE TABLE {n} ({body}) ENGINE={engine}" for n, body in shapes.items()))
    followed.run(f"SET SESSION binlog_row_image = {image}")
    rng = random.Random(seed)
    for _ in range(6):
        before = {name: followed.keys(name) for name in shapes}
        for _ in range(rng.randrange(1, 12)):
            name = rng.choice(list(shapes))
            followed.run(_random_statement(rng, name))
        found = followed.look()
        for name in shapes:
            after = followed.keys(name)
            differing, told = changed(before[name], after), found.lines(name)
            assert differing <= told
            assert told <= before[name].keys() | after.keys() | told
            if name not in found.tables:
                assert not differing


def _random_statement(rng: random.Random, table: str) -> str:
    key = rng.randrange(40)
    value = f"REPEAT('é', {rng.randrange(300)})" if rng.random() < 0.8 else "NULL"
    columns = {"two": "id, b, v", "one": "id, v", "last": "id, v", "text": "id, v"}[table]
    values = f"{key}, {key % 3}, {value}" if table == "two" else f"{key}, {value}"
    return rng.choice(
        (
            f"REPLACE INTO {table} ({columns}) VALUES ({values})",
            f"INSERT IGNORE INTO {table} ({columns}) VALUES ({values})",
            f"UPDATE {table} SET v = {value} WHERE id BETWEEN {key} AND {key + rng.randrange(9)}",
            f"UPDATE IGNORE {table} SET id = id + 100 WHERE id < {key}",
            f"UPDATE {table} SET x = REPEAT('x', {rng.randrange(70_000)}) WHERE id = {key}",
            f"DELETE FROM {table} WHERE id BETWEEN {key} AND {key + rng.randrange(4)}",
        )
    )


def test_a_million_rows_in_one_transaction_stay_small(followed: Followed) -> None:
    followed.make("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int)")
    digits = " CROSS JOIN ".join(
        f"(SELECT 0 AS d{i} UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL "
        f"SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7) AS t{i}"
        for i in range(6)
    )
    followed.run(
        "INSERT INTO t SELECT d0 + 8 * (d1 + 8 * (d2 + 8 * (d3 + 8 * (d4 + 8 * d5)))), 1"
        f" FROM {digits}"
    )
    (transaction,) = [t for t in followed.look().transactions if t.tables]
    keys = transaction.tables["t"].keys
    assert keys is not None
    assert list(keys.ranges) == [(0, 8**6 - 1)]
    assert keys.count == 8**6
    assert keys.is_exact


MARIADB_SHAPES = {
    "versioned": "{} WITH SYSTEM VERSIONING",
    "uuid": "CREATE TABLE t (id uuid NOT NULL PRIMARY KEY, v int)",
    "inet6": "CREATE TABLE t (id inet6 NOT NULL PRIMARY KEY, v int)",
    "compressed": "CREATE TABLE t (c text COMPRESSED, d varchar(50) COMPRESSED,"
    " id int PRIMARY KEY, v int)",
}
SHAPES = {
    "generated": "CREATE TABLE t (a int AS (v + 1) VIRTUAL,"
    " b varchar(20) AS (CONCAT(v, 'x')) STORED, id int NOT NULL PRIMARY KEY, v int)",
    "invisible": "CREATE TABLE t (a int DEFAULT 5 INVISIBLE, id int NOT NULL PRIMARY KEY, v int)",
    "partitioned": "CREATE TABLE t (v int, id int NOT NULL PRIMARY KEY) PARTITION BY HASH (id)"
    " PARTITIONS 3",
    "key of a prefix": "CREATE TABLE t (v int, id varchar(300) NOT NULL, PRIMARY KEY (id(10)))",
    "key of text": "CREATE TABLE t (v int, id text NOT NULL, PRIMARY KEY (id(20)))",
    "key of bytes": "CREATE TABLE t (v int, id mediumblob NOT NULL, PRIMARY KEY (id(20)))",
    "two of many": "CREATE TABLE t (v int, b year NOT NULL, id int NOT NULL, c bit(3) NOT NULL,"
    " PRIMARY KEY (c, id, b))",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_tables_of_uncommon_shapes(followed: Followed, shape: str) -> None:
    followed.make(SHAPES[shape])
    columns = "id, v, b, c" if shape == "two of many" else "id, v"
    more = ", 2026, 5" if shape == "two of many" else ""
    followed.run(*(f"INSERT INTO t ({columns}) VALUES ({n}, {n}{more})" for n in range(1, 6)))
    written = followed.keys("t")
    assert followed.look().lines("t") == set(written)
    followed.run("UPDATE t SET v = v + 1 WHERE id > 3", "DELETE FROM t WHERE id = 1")
    assert followed.look().lines("t") == changed(written, followed.keys("t"))


@pytest.mark.parametrize("shape", MARIADB_SHAPES)
def test_what_mariadb_alone_has_is_told_or_compared(followed: Followed, shape: str) -> None:
    if not followed.is_mariadb:
        pytest.skip("MySQL has none of it")
    followed.make(
        MARIADB_SHAPES[shape].format("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int)")
    )
    values = {"uuid": "UUID()", "inet6": "'2001:db8::1'"}.get(shape, "7")
    followed.run(f"INSERT INTO t (id, v) VALUES ({values}, 1)", "UPDATE t SET v = 2")
    found = followed.look()
    assert found.whole("t") or found.lines("t") == set(followed.keys("t"))
