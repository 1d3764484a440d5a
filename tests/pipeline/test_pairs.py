"""MySQL and MariaDB as source and as replication: what one has and the other has not.

``make test-mysql`` runs this file in all four pairings, ``make test`` with MariaDB alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.schema import types
from etl_pipeline.transfer.kernel_python import NEGATIVE_ZEROS
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, read_texts, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]

UUIDS = ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "00000000-0000-0000-ffff-00c04fd430c8")


def run_and_rest(lab: Lab, run: Run, verify: Verify, **configuration: Any) -> RunSummary:
    """Run, and show that replication is equal as text and that the next run has nothing to do."""
    first, second = run(**configuration), run(**configuration)
    assert [(o.table, o.error, o.fix) for o in (*first.failed, *second.failed)] == []
    assert sum(second.total(word) for word in ("inserted", "updated", "deleted")) == 0
    for outcome in first.outcomes:
        held = read_texts(lab.replication, outcome.table)
        assert len(held) == len(read_texts(lab.source, outcome.table))
    assert verify(deep=True, tables=configuration.get("tables")).is_success
    return first


def needs(lab: Lab, *, source: str = "any", replication: str = "any") -> None:
    """Skip the test unless the servers are these: ``MySQL``, ``MariaDB`` or ``any``."""
    for name, wanted, connection in (
        ("source", source, lab.source),
        ("replication", replication, lab.replication),
    ):
        if wanted != "any" and is_mariadb(connection) != (wanted == "MariaDB"):
            pytest.skip(f"needs {wanted} as the {name}: make test-mysql")


NEGATIVE = "CREATE TABLE t (k int PRIMARY KEY, d double, f float, n varchar(9))"


@pytest.mark.parametrize("digests_by", ["us", "servers"])
def test_a_negative_zero_that_mariadb_cannot_hold_is_counted(
    lab: Lab, run: Run, verify: Verify, digests_by: str
) -> None:
    needs(lab, source="MySQL", replication="MariaDB")
    rows = "(1, -0e0, -0e0, '-0'), (2, 0, 0.5, '0'), (3, -1e-300, -1.5, ''), (4, NULL, NULL, NULL)"
    make_table(lab.source, NEGATIVE, f"INSERT INTO t VALUES {rows}")
    pipeline = {"source": {"digests_by": "servers"}} if digests_by == "servers" else None
    summary = run_and_rest(lab, run, verify, **({"pipeline": pipeline} if pipeline else {}))
    assert dict(summary.altered) == {
        ("t", "d", NEGATIVE_ZEROS): 1,
        ("t", "f", NEGATIVE_ZEROS): 1,
    }
    rows_of_raw = lab.analytics.execute("SELECT d::text, f::text, n FROM raw.t WHERE k = 1")
    assert rows_of_raw.fetchall() == [("0", "0", "-0")]
    # What one server takes for a change is none for the other.
    run_sql(lab.source, "UPDATE t SET d = 0 WHERE k = 1", "UPDATE t SET d = -0e0 WHERE k = 2")
    again = run(pipeline=pipeline)
    assert again.is_success
    assert again.total("updated") == 0
    run_sql(lab.source, "UPDATE t SET d = -0e0, n = 'new' WHERE k = 3")
    assert run(pipeline=pipeline).total("updated") == 1
    assert verify(deep=True).is_success


@pytest.mark.parametrize("kind", ["double", "float"])
def test_a_negative_zero_in_a_key_is_the_zero_that_it_equals(
    lab: Lab, run: Run, verify: Verify, kind: str
) -> None:
    needs(lab, source="MySQL")
    make_table(
        lab.source,
        f"CREATE TABLE t (a int, d {kind}, PRIMARY KEY (a, d))",
        "INSERT INTO t VALUES (1, -0e0), (2, 0), (2, 1.5)",
    )
    run_and_rest(lab, run, verify)


FEATURES: dict[str, tuple[str, str, str, str]] = {
    "generated": ("any", "a int, b int AS (a + 1) STORED, c int AS (a * 2)", "(a)", "7"),
    "invisible": ("any", "a int, b int NOT NULL DEFAULT 5 INVISIBLE", "(a)", "7"),
    "checked": ("any", "a int CHECK (a > 0), CHECK (a < 100)", "(a)", "7"),
    "defaults": (
        "any",
        "a int, b char(36) DEFAULT (uuid()), c date DEFAULT (now())",
        "(a)",
        "1",
    ),
    "zero dates": (
        "any",
        "a date NOT NULL DEFAULT '2020-01-01', b datetime(3) NOT NULL DEFAULT '2020-01-01', "
        "c timestamp NULL",
        "(a, b, c)",
        "'0000-00-00', '2020-00-00', '0000-00-00'",
    ),
    "stamped": ("any", "a timestamp(6) NOT NULL DEFAULT now(6) ON UPDATE now(6)", "(a)", "now(6)"),
    "words of an enum": (
        "any",
        r"a enum('it''s', 'b\\c', 'd,e', 'ü', 'f(g)', ' h', '%s', '🦷') CHARACTER SET utf8mb4, "
        r"b set('it''s', 'b\\c', 'ü', '🦷') CHARACTER SET utf8mb4",
        "(a, b)",
        r"'b\\c', 'b\\c,🦷'",
    ),
    "json": ("any", "a json", "(a)", """'{"a": [1.10, null, "\\\\u00e9 \\\\"q\\\\""]}'"""),
    "sizes": (
        "any",
        "a tinyint(1), b int(10) unsigned zerofill, c bit(64)",
        "(a, b, c)",
        "2, 7, -1",
    ),
    "character sets": (
        "any",
        "a varchar(9) CHARACTER SET cp1251, b varchar(9) CHARACTER SET sjis, "
        "c varchar(9) CHARACTER SET utf16, d char(9) CHARACTER SET binary",
        "(a, b, c, d)",
        "'я', 'ア', '🦷', x'00FF'",
    ),
    "long key": (
        "any",
        "a varchar(700) CHARACTER SET utf8mb4, b text, KEY (a), KEY (b(500))",
        "(a, b)",
        "'x', 'y'",
    ),
    "words": ("any", "a text, FULLTEXT KEY (a)", "(a)", "'some words'"),
    "collations of MySQL": (
        "MySQL",
        "a varchar(9) COLLATE utf8mb4_ja_0900_as_cs, b char(9) CHARACTER SET gb18030, "
        "c varchar(9) COLLATE utf8mb4_0900_ai_ci, KEY (a), KEY (b), KEY (c)",
        "(a, b, c)",
        "'ア', '中', '🦷'",
    ),
    "reference system of MySQL": (
        "MySQL",
        "a point NOT NULL SRID 4326 DEFAULT (ST_GeomFromText('POINT(0 0)', 4326)), "
        "b geomcollection, SPATIAL KEY (a)",
        "(a, b)",
        "ST_GeomFromText('POINT(1 2)', 4326), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))')",
    ),
    "indexes of MySQL": (
        "MySQL",
        "a varchar(20), j json, KEY ((lower(a))), KEY (a DESC), KEY hidden (a) INVISIBLE, "
        "KEY many ((CAST(j->'$' AS unsigned ARRAY)))",
        "(a, j)",
        "'A', '[1, 2]'",
    ),
    "collations of MariaDB": (
        "MariaDB",
        "a varchar(9) COLLATE utf8mb4_nopad_bin, b varchar(9) CHARACTER SET utf8mb3 "
        "COLLATE uca1400_as_cs, c varchar(9) COLLATE utf8mb4_uca1400_ai_ci, KEY (a), KEY (b)",
        "(a, b, c)",
        "'a', 'é', '🦷'",
    ),
    "reference system of MariaDB": (
        "MariaDB",
        "a point REF_SYSTEM_ID=4326 NOT NULL DEFAULT (Point(1, 2)), SPATIAL KEY (a)",
        "(a)",
        "ST_GeomFromText('POINT(1 2)', 4326)",
    ),
    "versions of MariaDB": ("MariaDB", "a int, WITH SYSTEM VERSIONING", "(a)", "7"),
    "unique long texts of MariaDB": (
        "MariaDB",
        "a longtext, b longblob, c text, UNIQUE KEY (a), UNIQUE KEY (a, b), UNIQUE KEY (c)",
        "(a, b, c)",
        "repeat('x', 3000), x'00FF', ''",
    ),
    "compressed columns of MariaDB": (
        "MariaDB",
        "a text COMPRESSED, b blob COMPRESSED, c varchar(99) COMPRESSED",
        "(a, b, c)",
        "'x', x'00FF', ''",
    ),
}


def test_every_feature_of_a_table(lab: Lab, run: Run, verify: Verify) -> None:
    made = []
    for name, (server, columns, names, values) in FEATURES.items():
        if server != "any" and is_mariadb(lab.source) != (server == "MariaDB"):
            continue
        columns, versioned, _ = columns.partition(", WITH SYSTEM VERSIONING")
        make_table(
            lab.source,
            f"CREATE TABLE `{name}` (k int PRIMARY KEY, {columns}) {versioned.lstrip(', ')}",
            f"INSERT INTO `{name}` (k, {names[1:-1]}) VALUES (1, {values})",
            f"INSERT INTO `{name}` (k) VALUES (2)",
        )
        made.append(name)
    summary = run_and_rest(lab, run, verify)
    assert {outcome.table for outcome in summary.outcomes} == set(made)
    for name in made:
        assert read_texts(lab.replication, name) == read_texts(lab.source, name), name


KEYS = (
    "CREATE TABLE of_uuid (u uuid PRIMARY KEY, a int)",
    "CREATE TABLE of_time (d decimal(65,38), t time(6), a int, PRIMARY KEY (d, t))",
    "CREATE TABLE of_many (k int, u uuid, i inet4, t time(2), y year(2), a int, "
    "PRIMARY KEY (k, u, i, t, y), KEY (u), KEY (i, t))",
)
ADDRESSES = ("'9.0.0.1', '100:00:00', 70", "'10.0.0.1', '-1:00:00', 69", "'127.0.0.1', '1:00', 0")


def test_keys_of_types_that_mysql_has_not(lab: Lab, run: Run, verify: Verify) -> None:
    """Text sorts otherwise than the type that it stands for."""
    needs(lab, source="MariaDB")
    many = ", ".join(f"({k}, '{u}', {a}, 0)" for k in range(40) for u in UUIDS for a in ADDRESSES)
    make_table(
        lab.source,
        KEYS[0],
        *KEYS[1:],
        f"INSERT INTO of_uuid VALUES ('{UUIDS[0]}', 1), ('{UUIDS[1]}', 2)",
        "INSERT INTO of_time VALUES (9.1, '1:00', 1), (10.1, '100:00', 2), "
        "(-10.1, '838:59:59.999999', 3)",
        f"INSERT INTO of_many VALUES {many}",
    )
    run_and_rest(lab, run, verify)
    run_sql(
        lab.source,
        "UPDATE of_uuid SET a = 5 WHERE a = 1",
        "DELETE FROM of_uuid WHERE a = 2",
        "UPDATE of_time SET a = 7 WHERE a = 1",
        "DELETE FROM of_time WHERE a = 3",
        "UPDATE of_many SET a = 1 WHERE k = 7 AND i = '9.0.0.1'",
        "DELETE FROM of_many WHERE k = 8 AND t < 0",
        f"INSERT INTO of_many VALUES (50, '{UUIDS[0]}', '1.2.3.4', '838:59:59.99', 99, 3)",
    )
    summary = run_and_rest(lab, run, verify)
    assert [summary.total(word) for word in ("inserted", "updated", "deleted")] == [1, 4, 4]
    assert read_texts(lab.replication, "of_many") == read_texts(lab.source, "of_many")
    # And a column of such a type that comes, goes, or was another before.
    run_sql(
        lab.source,
        f"ALTER TABLE of_uuid ADD COLUMN t time(6), ADD COLUMN w uuid DEFAULT '{UUIDS[1]}'",
        "UPDATE of_uuid SET t = '838:59:59.5'",
        "ALTER TABLE of_time MODIFY a decimal(65,38)",
    )
    run_and_rest(lab, run, verify)
    for table in ("of_uuid", "of_time", "of_many"):
        assert read_texts(lab.replication, table) == read_texts(lab.source, table)


def test_what_stands_for_a_type_is_said(lab: Lab, run: Run) -> None:
    needs(lab, source="MariaDB", replication="MySQL")
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, u uuid, t time(3), n time)")
    (outcome,) = run().outcomes
    assert [note for note in outcome.notes if "held as" in note] == [
        "t.u: uuid is held as char(36) in replication, whose server has no such type",
        "t.t: time(3) is held as varchar(17) in replication, whose server has no time past "
        "838:59:59",
    ]


@pytest.mark.parametrize("is_added_later", [False, True])
def test_a_type_that_the_replica_cannot_have_is_refused_before_anything_is_sent(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, is_added_later: bool
) -> None:
    needs(lab, source="MariaDB", replication="MySQL")
    monkeypatch.setattr(types, "STAND_INS", {"MySQL": (), "MariaDB": ()})
    rest = "" if is_added_later else ", i inet6"
    make_table(lab.source, f"CREATE TABLE t (k int PRIMARY KEY, a int{rest})")
    run_sql(lab.source, "INSERT INTO t (k, a) VALUES (1, 2)")
    if is_added_later:
        assert run().is_success
        run_sql(lab.source, "ALTER TABLE t ADD COLUMN i inet6")
    (failed,) = run().failed
    assert failed.error == "column i: the replication server has no type inet6 (1064)"
    assert (failed.fix or "").startswith("in tables.yml: t: {columns: {i: {exclude: true}}}; or")
    excluded = {"tables": {"t": {"columns": {"i": {"exclude": True}}}}}
    assert run(tables=excluded).is_success
    assert lab.analytics.execute("SELECT k, a FROM raw.t").fetchall() == [(1, 2)]


@pytest.mark.parametrize(("choice", "expected"), [("text", "text"), ("bytea", "bytea")])
def test_an_unlisted_type_is_carried_as_tables_yml_says(
    lab: Lab, run: Run, verify: Verify, monkeypatch: pytest.MonkeyPatch, choice: str, expected: str
) -> None:
    """Whether the replication server has the type or not."""
    kind, value = ("uuid", f"'{UUIDS[0]}'") if is_mariadb(lab.source) else ("year", "'2024'")
    listed = {name: rule for name, rule in types.TYPES.items() if name != kind}
    monkeypatch.setattr(types, "TYPES", listed)
    make_table(
        lab.source,
        f"CREATE TABLE t (k int PRIMARY KEY, c {kind})",
        f"INSERT INTO t VALUES (1, {value}), (2, NULL)",
    )
    (failed,) = run().failed
    assert failed.error == f"column c: type {kind} is not supported"
    tables = {"tables": {"t": {"columns": {"c": {"type": choice}}}}}
    run_and_rest(lab, run, verify, tables=tables)
    rows = lab.analytics.execute("SELECT c FROM raw.t ORDER BY k").fetchall()
    text = value.strip("'")
    assert rows == [(text if choice == "text" else text.encode(),), (None,)]
