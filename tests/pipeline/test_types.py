"""Every line of the table of types, with the values that tell a good copy from a near one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.schema import types
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, numbers, read_exactly

Run = Callable[..., RunSummary]
Values = list[tuple[str, str | None]]
"""A literal of MySQL and the text that PostgreSQL prints of the value; None is NULL."""


def same(*values: str) -> Values:
    return [(value, value) for value in values]


def quoted(*values: str) -> Values:
    return [(f"'{value}'", value) for value in values]


ALL_BYTES = "".join(f"{n:02x}" for n in range(256))

LINES: list[tuple[str, str, str, Values]] = [
    ("tinyint", "tinyint", "smallint", same("-128", "127", "0")),
    ("tinyint(1) is a number", "tinyint(1)", "smallint", same("2", "127", "-128", "1", "0")),
    ("smallint", "smallint", "smallint", same("-32768", "32767")),
    ("mediumint", "mediumint", "integer", same("-8388608", "8388607")),
    ("int", "int", "integer", same("-2147483648", "2147483647")),
    ("bigint", "bigint", "bigint", same("-9223372036854775808", "9223372036854775807")),
    ("tinyint unsigned", "tinyint unsigned", "smallint", same("255", "0")),
    ("smallint unsigned", "smallint unsigned", "integer", same("65535")),
    ("mediumint unsigned", "mediumint unsigned", "integer", same("16777215")),
    ("int unsigned", "int unsigned", "bigint", same("4294967295", "0")),
    ("bigint unsigned", "bigint unsigned", "numeric(20,0)", same("18446744073709551615", "0")),
    ("zerofill", "int(10) unsigned zerofill", "bigint", [("42", "42"), ("0", "0")]),
    ("decimal", "decimal(10,2)", "numeric(10,2)", same("-99999999.99", "0.01", "0.00")),
    (
        "decimal at its largest",
        "decimal(65,30)",
        "numeric(65,30)",
        same("99999999999999999999999999999999999.999999999999999999999999999999"),
    ),
    (
        "double",
        "double",
        "double precision",
        [
            ("-2.2250738585072014e-308", "-2.2250738585072014e-308"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("0.1e0 + 0.2e0", "0.30000000000000004"),
            ("9007199254740993e0", "9.007199254740992e+15"),
        ],
    ),
    (
        "float",
        "float",
        "real",
        [
            ("0.1", "0.1"),
            ("16777217", "1.6777216e+07"),
            ("3.4028234663852886e38", "3.4028235e+38"),
            ("1.401298464324817e-45", "1e-45"),
            ("1.1754943508222875e-38", "1.1754944e-38"),
            ("123456.789", "123456.79"),
        ],
    ),
    (
        "double with decimals",
        "double(10,2)",
        "double precision",
        [("0.1", "0.1"), ("9.99", "9.99")],
    ),
    ("float with decimals", "float(7,4)", "real", [("0.1234", "0.1234"), ("-1.5", "-1.5")]),
    ("bit(1)", "bit(1)", "bit(1)", [("b'1'", "1"), ("b'0'", "0")]),
    ("bit(5)", "bit(5)", "bit(5)", [("b'10110'", "10110"), ("b'1'", "00001")]),
    (
        "bit(64)",
        "bit(64)",
        "bit(64)",
        [("18446744073709551615", "1" * 64), ("1 << 63", "1" + "0" * 63), ("0", "0" * 64)],
    ),
    (
        "date",
        "date",
        "date",
        [
            *quoted("0001-01-01", "9999-12-31", "2024-02-29", "1900-01-01"),
            ("'0000-00-00'", None),
            ("'2022-11-00'", None),
            ("'2022-00-03'", None),
            ("'0000-05-01'", None),
        ],
    ),
    (
        "datetime",
        "datetime",
        "timestamp without time zone",
        [
            *quoted("0001-01-01 00:00:00", "9999-12-31 23:59:59", "2024-03-31 02:30:00"),
            ("'0000-00-00 00:00:00'", None),
            ("'2022-11-00 10:00:00'", None),
        ],
    ),
    (
        "datetime(6)",
        "datetime(6)",
        "timestamp without time zone",
        quoted("9999-12-31 23:59:59.999999", "2024-01-01 00:00:00.000001"),
    ),
    (
        "timestamp",
        "timestamp null",
        "timestamp with time zone",
        [
            ("'1970-01-01 00:00:01'", "1970-01-01 00:00:01+00"),
            ("'2038-01-19 03:14:07'", "2038-01-19 03:14:07+00"),
            ("'0000-00-00 00:00:00'", None),
        ],
    ),
    (
        "timestamp(6)",
        "timestamp(6) null",
        "timestamp with time zone",
        [("'2024-10-27 01:30:00.123456'", "2024-10-27 01:30:00.123456+00")],
    ),
    (
        "time",
        "time",
        "interval",
        quoted("-838:59:59", "838:59:59", "00:00:00", "-00:00:01", "24:00:00"),
    ),
    ("time(6)", "time(6)", "interval", quoted("838:59:58.999999", "-00:00:00.000001")),
    ("year", "year", "smallint", [("0", "0"), ("1901", "1901"), ("2155", "2155")]),
    (
        "varchar in utf8mb4",
        "varchar(100) character set utf8mb4 collate utf8mb4_bin",
        "text",
        [
            ("'tab\\there'", "tab\there"),
            ("'line\\nbreak'", "line\nbreak"),
            ("'carriage\\r\\nreturn'", "carriage\r\nreturn"),
            ("'back\\\\slash\\\\'", "back\\slash\\"),
            ("'single '' double \"'", "single ' double \""),
            ("'NULL'", "NULL"),
            ("'\\\\N'", "\\N"),
            ("'\\\\.'", "\\."),
            ("'trailing  '", "trailing  "),
            ("''", ""),
            ("'🦷 Ωж'", "🦷 Ωж"),
            ("'a\\0b'", "ab"),
            ("'\\b\\Z%_{}'", "\b\x1a%_{}"),
        ],
    ),
    (
        "text in latin1",
        "varchar(50) character set latin1",
        "text",
        [("'Zürich € “x”'", "Zürich € “x”"), ("_latin1 x'E4F6FC'", "äöü")],
    ),
    ("text in utf8mb3", "text character set utf8mb3", "text", quoted("é", "", "Ωж")),
    ("text in ucs2", "varchar(20) character set ucs2", "text", quoted("Ωж", "a")),
    ("char loses its padding as MySQL has it", "char(5)", "text", [("'a  '", "a"), ("''", "")]),
    ("longtext", "longtext", "text", [("repeat('xy\\t', 400000)", "xy\t" * 400000)]),
    ("binary", "binary(4)", "bytea", [("x'00FF0009'", "\\x00ff0009"), ("'a'", "\\x61000000")]),
    (
        "varbinary",
        "varbinary(300)",
        "bytea",
        [(f"x'{ALL_BYTES}'", f"\\x{ALL_BYTES}"), ("''", "\\x")],
    ),
    (
        "longblob",
        "longblob",
        "bytea",
        [("''", "\\x"), ("x'5C4E'", "\\x5c4e"), ("repeat(x'00', 300000)", "\\x" + "00" * 300000)],
    ),
    (
        "enum",
        "enum('a', 'b,c', 'it''s', 'd)e') character set utf8mb4",
        "text",
        [("'a'", "a"), ("'b,c'", "b,c"), ("'it''s'", "it's"), ("'d)e'", "d)e"), ("'no such'", "")],
    ),
    (
        "set",
        "set('a', 'b', 'it''s') character set utf8mb4",
        "text",
        [("'a,b'", "a,b"), ("''", ""), ("'it''s'", "it's")],
    ),
    ("json", "json", "json", quoted('{"a": [1, null], "b": "x"}', "[]", "3")),
    (
        "point",
        "point",
        "bytea",
        [("ST_GeomFromText('POINT(1 2)')", "\\x0101000000000000000000f03f0000000000000040")],
    ),
]

MARIADB_ONLY: list[tuple[str, str, str, Values]] = [
    (
        "uuid",
        "uuid",
        "uuid",
        quoted("00000000-0000-0000-0000-000000000000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ),
    ("inet6", "inet6", "inet", quoted("::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4")),
    ("inet4", "inet4", "inet", quoted("127.0.0.1", "255.255.255.255")),
]


def check_line(lab: Lab, run: Run, declared: str, expected_type: str, values: Values) -> None:
    inserts = [f"INSERT IGNORE INTO t VALUES ({i}, {sql})" for i, (sql, _) in enumerate(values)]
    make_table(
        lab.source, f"CREATE TABLE t (k int PRIMARY KEY, c {declared})", *inserts,
        "INSERT INTO t VALUES (1000, NULL)",
    )  # fmt: skip
    summary = run()
    assert summary.is_success, [o.error for o in summary.failed]
    lab.analytics.execute("SET timezone = 'UTC'")
    rows = lab.analytics.execute("SELECT c::text FROM raw.t ORDER BY k").fetchall()
    expected = [text for _, text in values]
    if expected_type == "inet":
        expected = [
            f"{text}/{32 if '.' in text and ':' not in text else 128}" for text in expected if text
        ]
    assert [text for (text,) in rows] == [*expected, None]
    assert read_exactly(lab.replication, "t") == read_exactly(lab.source, "t")
    kind = lab.analytics.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'raw.t'::regclass AND attname = 'c'"
    ).fetchone()
    assert kind == (expected_type,)


@pytest.mark.parametrize(
    ("declared", "expected_type", "values"),
    [line[1:] for line in LINES],
    ids=[line[0] for line in LINES],
)
def test_type(lab: Lab, run: Run, declared: str, expected_type: str, values: Values) -> None:
    check_line(lab, run, declared, expected_type, values)


@pytest.mark.parametrize(
    ("declared", "expected_type", "values"),
    [line[1:] for line in MARIADB_ONLY],
    ids=[line[0] for line in MARIADB_ONLY],
)
def test_type_of_mariadb(
    lab: Lab, run: Run, declared: str, expected_type: str, values: Values
) -> None:
    if not (is_mariadb(lab.source) and is_mariadb(lab.replication)):
        pytest.skip("MySQL has no such type")
    check_line(lab, run, declared, expected_type, values)


def test_every_type_of_the_table_has_a_line() -> None:
    tested = {line[1].split("(")[0].split()[0] for line in LINES + MARIADB_ONLY}
    families = {
        "longtext": {"tinytext", "text", "mediumtext", "longtext"},
        "longblob": {"tinyblob", "blob", "mediumblob", "longblob"},
        "point": {name for name, rule in types.TYPES.items() if rule is types.TYPES["point"]},
    }
    covered = tested.union(*(families[name] for name in tested & families.keys()))
    assert set(types.TYPES) <= covered


def test_generated_and_invisible_columns_bring_their_values(lab: Lab, run: Run) -> None:
    hidden = "h int INVISIBLE DEFAULT 7" if is_mariadb(lab.source) else "h int DEFAULT 7 INVISIBLE"
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a * 2) VIRTUAL, "
        f"s int GENERATED ALWAYS AS (a + 1) STORED, {hidden}, KEY (v))",
        "INSERT INTO t (k, a) VALUES (1, 10), (2, NULL)",
    )
    assert run().is_success
    rows = lab.analytics.execute("SELECT k, a, v, s, h FROM raw.t ORDER BY k").fetchall()
    assert rows == [(1, 10, 20, 11, 7), (2, None, None, None, 7)]


def test_json_keeps_its_spelling(lab: Lab, run: Run) -> None:
    if not (is_mariadb(lab.source) and is_mariadb(lab.replication)):
        pytest.skip("MySQL normalises JSON itself")
    value = '{"b": 1,  "a": [1.0, null], "a": "\\u00e9\\n"}'
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, c json)")
    with lab.source.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1, %s)", (value,))
    assert run().is_success
    assert lab.analytics.execute("SELECT c::text FROM raw.t").fetchall() == [(value,)]


def test_a_boolean_only_where_it_is_asked_for(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, flag tinyint NOT NULL, b bit(1), j json)",
        "INSERT INTO t VALUES (1, 1, b'0', '{\"b\": 1, \"a\": 2}'), (2, 0, b'1', NULL)",
    )
    columns = {"flag": {"type": "boolean"}, "b": {"type": "boolean"}, "j": {"type": "jsonb"}}
    assert run(tables={"tables": {"t": {"columns": columns}}}).is_success
    rows = lab.analytics.execute("SELECT k, flag, b, j::text FROM raw.t ORDER BY k").fetchall()
    assert rows == [(1, True, False, '{"a": 2, "b": 1}'), (2, False, True, None)]


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_value_the_override_cannot_hold_stops_the_table_with_key_and_column(
    lab: Lab, run: Run, loaded_before: bool
) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int, j int, flag tinyint NOT NULL, PRIMARY KEY (k, j))",
        "INSERT INTO t VALUES (1, 1, 1), (7, 3, 0)",
    )
    tables = {"tables": {"t": {"columns": {"flag": {"type": "boolean"}}}}}
    if loaded_before:
        assert run(tables=tables).is_success
    with lab.source.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (7, 4, 2)")
    (failed,) = run(tables=tables).failed
    assert failed.error == "column flag cannot hold its value as boolean, in the row of key 7, 4"
    assert "tables.yml" in (failed.fix or "")
    if loaded_before:
        assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (2,)
    else:
        assert lab.analytics.execute("SELECT to_regclass('raw.t')").fetchone() == (None,)


def test_a_refused_value_early_in_a_large_chunk_is_located_too(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, flag tinyint NOT NULL, c varchar(40))",
        "INSERT INTO t SELECT seq, IF(seq = 20003, 3, seq % 2), left(sha2(seq, 256), 32) "
        f"FROM {numbers(120_000)}",
    )
    (failed,) = run(tables={"tables": {"t": {"columns": {"flag": {"type": "boolean"}}}}}).failed
    assert (failed.error or "").endswith("in the row of key 20003")


def test_an_excluded_column_goes_nowhere(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, secret varchar(20), other int, KEY (secret, other))",
        "INSERT INTO t VALUES (1, 'hush', 2)",
    )
    assert run(tables={"tables": {"t": {"columns": {"secret": {"exclude": True}}}}}).is_success
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT * FROM t")
        assert cursor.fetchall() == ((1, 2),)
    assert lab.analytics.execute("SELECT k, other FROM raw.t").fetchall() == [(1, 2)]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"sekret": {"exclude": True}}, "did you mean secret?"),
        ({"k": {"exclude": True}}, "primary key cannot be excluded"),
        ({"bytes": {"type": "text"}}, "a binary column cannot be carried as text"),
    ],
)
def test_choices_that_cannot_be_followed_are_refused(
    lab: Lab, run: Run, columns: dict[str, dict[str, object]], what: str
) -> None:
    make_table(
        lab.source, "CREATE TABLE t (k int PRIMARY KEY, secret varchar(20), bytes varbinary(9))"
    )
    (failed,) = run(tables={"tables": {"t": {"columns": columns}}}).failed
    assert what in f"{failed.error} {failed.fix}"


HOSTILE_NAMES = [
    "select", "with space", 'quo"te', "back`tick", "per%cent", "per%%s", "ünïcode_Ω", "a'b", "t{0}",
    "a\\b", "x" * 64, "Ω" * 40, "semi;colon", "dash--dash", "new\nline",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_of_tables_and_columns(lab: Lab, run: Run, name: str) -> None:
    quoted_name = "`" + name.replace("`", "``") + "`"
    make_table(
        lab.source,
        f"CREATE TABLE {quoted_name} (k int, {quoted_name} varchar(9), "
        f"PRIMARY KEY (k), KEY {quoted_name} ({quoted_name})) COMMENT 'a''b\\\\'",
        f"INSERT INTO {quoted_name} VALUES (1, 'one'), (2, NULL)",
    )
    for _ in range(2):
        summary = run()
        assert summary.is_success, summary.failed
    tables = lab.analytics.execute(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid "
        "WHERE relnamespace = 'raw'::regnamespace AND attnum = 2 AND relkind = 'r'"
    ).fetchall()
    ((table, column),) = tables
    assert table == column
    if len(name.encode()) <= 63:
        assert table == name
        assert not summary.notes
    else:
        assert len(table.encode()) <= 63
        assert len(summary.notes) == 2
    with lab.replication.cursor() as cursor:
        cursor.execute(f"SELECT {quoted_name} FROM {quoted_name} ORDER BY k")
        assert cursor.fetchall() == (("one",), (None,))


def test_tables_that_differ_by_case_only(lab: Lab, run: Run) -> None:
    for name in ("Names", "names"):
        make_table(
            lab.source,
            f"CREATE TABLE {name} (k int PRIMARY KEY, c varchar(9))",
            f"INSERT INTO {name} VALUES (1, '{name}')",
        )
    assert run().is_success
    for name in ("Names", "names"):
        assert lab.analytics.execute(f'SELECT c FROM raw."{name}"').fetchall() == [(name,)]


def test_a_column_of_our_own_name_is_refused(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, _etl_loaded_at int)")
    (failed,) = run().failed
    assert "a name that is ours" in (failed.error or "")
    choice = {"t": {"columns": {"_etl_loaded_at": {"exclude": True}}}}
    assert run(tables={"tables": choice}).is_success


def test_a_column_of_postgresqls_own_is_refused(lab: Lab, run: Run) -> None:
    make_table(lab.source, "CREATE TABLE t (k int PRIMARY KEY, ctid int)")
    (failed,) = run().failed
    assert "PostgreSQL's own" in (failed.error or "")


@pytest.mark.parametrize(
    ("charset", "byte"), [("cp1250", "81"), ("cp1251", "98"), ("tis620", "DB")]
)
def test_bytes_without_a_character_are_refused_not_altered(
    lab: Lab, run: Run, charset: str, byte: str
) -> None:
    make_table(
        lab.source,
        f"CREATE TABLE t (k int PRIMARY KEY, c varchar(9) CHARACTER SET {charset})",
        "INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, '')",
    )
    assert run().is_success
    with lab.source.cursor() as cursor:
        cursor.execute(f"INSERT INTO t VALUES (4, _{charset} x'41{byte}')")
    (failed,) = run().failed
    assert f"1 values hold bytes that {charset} has no character for" in (failed.error or "")
    assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (3,)


KEYS = [
    ("composite", "a int, b int, PRIMARY KEY (a, b)", "(1, 2), (1, 1), (0, 9), (-5, 0)"),
    (
        "composite, text first",
        "a varchar(9), b int, PRIMARY KEY (a, b)",
        "('x', 1), ('X', 2), ('', 3)",
    ),
    (
        "text, case-insensitive",
        "a varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, b int",
        "('b', 1), ('A', 2), ('a b', 3), ('ö', 4), ('Z', 5)",
    ),
    (
        "text, trailing spaces",
        "a varchar(9) COLLATE {nopad} PRIMARY KEY, b int",
        "('a', 1), ('a ', 2), ('a  ', 3)",
    ),
    (
        "number, then text",
        "a int, b varchar(9) COLLATE utf8mb4_general_ci, PRIMARY KEY (a, b)",
        "(1, 'b'), (1, 'A'), (1, '_'), (1, 'ö'), (1, 'Z')",
    ),
    (
        "number, then an enum with its error value",
        "a int, b enum('z', 'a'), PRIMARY KEY (a, b)",
        "(1, 'a'), (1, 'z'), (1, '')",
    ),
    ("binary", "a varbinary(9) PRIMARY KEY, b int", "(x'00', 1), (x'0000', 2), (x'FF5C', 3)"),
    ("negative", "a int PRIMARY KEY, b int", "(-2147483648, 1), (-1, 2), (0, 3), (2147483647, 4)"),
    ("sparse", "a bigint PRIMARY KEY, b int", "(1, 1), (9000000000000000000, 2)"),
    (
        "unsigned",
        "a bigint unsigned PRIMARY KEY, b int",
        "(0, 1), (18446744073709551615, 2), (9223372036854775808, 3)",
    ),
    ("datetime", "a datetime(6) PRIMARY KEY, b int", "('2024-01-01', 1), ('0001-01-01', 2)"),
    ("decimal", "a decimal(20,2) PRIMARY KEY, b int", "(-1.50, 1), (1.25, 2)"),
    ("none", "a int, b int", "(1, 1), (1, 1), (NULL, 2)"),
    ("none, but unique", "a int NOT NULL UNIQUE, b int", "(1, 1), (2, 1)"),
    ("prefix of text", "a text, b int, PRIMARY KEY (a(3))", "('abc1', 1), ('abd', 2)"),
    ("empty table", "a int PRIMARY KEY, b int", ""),
]


@pytest.mark.parametrize("key", KEYS, ids=[k[0] for k in KEYS])
def test_keys(
    lab: Lab, run: Run, key: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl_pipeline.sync import chunks

    monkeypatch.setattr(chunks, "CHUNK_ROWS", 1)
    _, columns, rows = key
    nopad = "utf8mb4_nopad_bin" if is_mariadb(lab.source) else "utf8mb4_0900_bin"
    inserts = [f"INSERT IGNORE INTO t VALUES {rows}"] if rows else []
    make_table(
        lab.source,
        f"CREATE TABLE t ({columns.format(nopad=nopad)}) DEFAULT CHARSET=utf8mb4",
        *inserts,
    )
    count = len(read_exactly(lab.source, "t"))
    for _ in range(2):
        summary = run()
        assert summary.is_success, [o.error for o in summary.failed]
    assert summary.total("inserted") + summary.total("updated") + summary.total("deleted") == 0
    assert read_exactly(lab.replication, "t") == read_exactly(lab.source, "t")
    assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (count,)


def test_rows_arrive_by_insert_where_local_infile_is_off(lab: Lab, run: Run) -> None:
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, c text, b varbinary(300), f bit(5), d double)",
        f"INSERT INTO t VALUES (1, 'it''s\\t\\\\N\\n\\0', x'{ALL_BYTES}', b'101', 0.1), "
        "(2, NULL, NULL, NULL, NULL), (3, '\\\\N', '', b'0', -1e-300)",
    )
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT @@global.local_infile")
        (before,) = cursor.fetchone()
        cursor.execute("SET GLOBAL local_infile = 0")
        try:
            summary = run()
        finally:
            cursor.execute("SET GLOBAL local_infile = %s", (before,))
    assert summary.is_success, summary.failed
    assert "local_infile is off" in summary.outcomes[0].notes[0]
    assert read_exactly(lab.replication, "t") == read_exactly(lab.source, "t")
