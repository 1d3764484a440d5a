"""Every line of the table of types, with the values that tell a good copy from a near one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from etl_pipeline.demo.servers import Servers
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.schema import types
from etl_pipeline.schema.names import quote_mysql, quote_postgres
from tests.conftest import Lab, open_lab
from tests.rows import is_mariadb, make_table, read_exactly, read_texts

Run = Callable[..., RunSummary]
Values = list[tuple[str, str | None]]
"""A literal of MySQL and the text that PostgreSQL prints of the value; None is NULL."""


def same(*values: str) -> Values:
    return [(value, value) for value in values]


def quoted(*values: str) -> Values:
    return [(f"'{value}'", value) for value in values]


ALL_BYTES = "".join(f"{n:02x}" for n in range(256))
# MySQL's latin1 is Windows' cp1252, with control characters in its five gaps.
LATIN1 = "".join(
    chr(n) if n in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([n]).decode("cp1252")
    for n in range(1, 256)
)
WKB = {
    "point": ("POINT(1 2)", "0101000000000000000000f03f0000000000000040"),
    "linestring": (
        "LINESTRING(0 0,1 2)",
        "010200000002000000" + "00" * 16 + "000000000000f03f0000000000000040",
    ),
    "polygon": (
        "POLYGON((0 0,0 1,1 1,0 0))",
        "01030000000100000004000000"
        + "00" * 16
        + "0000000000000000000000000000f03f"
        + "000000000000f03f" * 2
        + "00" * 16,
    ),
    "multipoint": (
        "MULTIPOINT(1 2,0 0)",
        "0104000000020000000101000000000000000000f03f00000000000000400101000000" + "00" * 16,
    ),
    "multilinestring": (
        "MULTILINESTRING((0 0,1 2))",
        "010500000001000000010200000002000000" + "00" * 16 + "000000000000f03f0000000000000040",
    ),
    "multipolygon": (
        "MULTIPOLYGON(((0 0,0 1,1 1,0 0)))",
        "01060000000100000001030000000100000004000000"
        + "00" * 16
        + "0000000000000000000000000000f03f"
        + "000000000000f03f" * 2
        + "00" * 16,
    ),
    "geometrycollection": (
        "GEOMETRYCOLLECTION(POINT(1 2))",
        "0107000000010000000101000000000000000000f03f0000000000000040",
    ),
    "geometry": ("POINT(1 2)", "0101000000000000000000f03f0000000000000040"),
}

Line = tuple[str, str, str, Values]
"""A name, the type as it is declared, its type in ``raw``, and values."""

SPATIAL: list[Line] = [
    (name, name, "bytea", [(f"ST_GeomFromText('{words}')", f"\\x{wkb}")])
    for name, (words, wkb) in WKB.items()
]
LINES: list[Line] = [
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
    (
        "time(6)",
        "time(6)",
        "interval",
        quoted("838:59:58.999999", "-838:59:58.999999", "-00:00:00.000001"),
    ),
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
    (
        "every byte of latin1",
        "varchar(300) character set latin1",
        "text",
        [(f"_latin1 x'{ALL_BYTES[2:]}'", LATIN1)],
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
    *SPATIAL,
]

MARIADB_ONLY: list[Line] = [
    (
        "uuid",
        "uuid",
        "uuid",
        quoted("00000000-0000-0000-0000-000000000000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ),
    ("inet6", "inet6", "inet", quoted("::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4")),
    ("inet4", "inet4", "inet", quoted("127.0.0.1", "255.255.255.255")),
    # What MySQL has not, or not all of: there the replica holds its text.
    (
        "decimal of 38 decimals",
        "decimal(65,38)",
        "numeric(65,38)",
        same(f"-{'9' * 27}.{'9' * 38}", f"0.{'0' * 37}1", f"0.{'0' * 38}"),
    ),
    ("year of two digits", "year(2)", "smallint", [("70", "70"), ("2000", "0"), ("69", "69")]),
    ("compressed", "varchar(300) compressed", "text", quoted("x", "", "x" * 300)),
    (
        "time(6) at its longest",
        "time(6)",
        "interval",
        quoted("838:59:59.999999", "-838:59:59.999999"),
    ),
    ("time(1)", "time(1)", "interval", quoted("838:59:59.9", "-00:00:00.1", "24:00:00")),
]

MYSQL_ONLY: list[Line] = [
    (
        "vector",
        "vector(3)",
        "bytea",
        [
            ("STRING_TO_VECTOR('[1,-2.5,0]')", "\\x0000803f000020c000000000"),
            ("STRING_TO_VECTOR('[-0,1.17549435e-38,3.4028234e38]')", "\\x0000008000008000ffff7f7f"),
            ("STRING_TO_VECTOR('[1]')", "\\x0000803f"),
        ],
    ),
    (
        "geometry of many",
        "geomcollection",
        "bytea",
        [("ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')", "\\x010700000000000000")],
    ),
]


@dataclass(frozen=True)
class Carried:
    """The databases after the one run that carried every line, each in a table of its own."""

    lab: Lab
    summary: RunSummary


@pytest.fixture(scope="module")
def carried(servers: Servers) -> Iterator[Carried]:
    with open_lab(servers) as lab:
        for line in carried_lines(lab):
            make_line(lab, *line)
        summary = run_once(lab.settings, RunRequest(), listen=lambda event: None)
        lab.analytics.execute("SET timezone = 'UTC'")
        yield Carried(lab, summary)


def carried_lines(lab: Lab) -> list[Line]:
    return [*LINES, *(MARIADB_ONLY if is_mariadb(lab.source) else MYSQL_ONLY)]


def make_line(lab: Lab, name: str, declared: str, expected_type: str, values: Values) -> None:
    table = quote_mysql(name)
    inserts = [
        f"INSERT IGNORE INTO {table} VALUES ({i}, {sql})" for i, (sql, _) in enumerate(values)
    ]
    make_table(
        lab.source,
        f"CREATE TABLE {table} (k int PRIMARY KEY, c {declared})",
        *inserts,
        f"INSERT INTO {table} VALUES (1000, NULL)",
    )


def check_line(carried: Carried, line: Line) -> None:
    name, _, expected_type, values = line
    lab = carried.lab
    (outcome,) = [one for one in carried.summary.outcomes if one.table == name]
    assert outcome.error is None
    table = quote_postgres("raw", name)
    rows = lab.analytics.execute(f"SELECT c::text FROM {table} ORDER BY k".encode()).fetchall()
    expected = [text for _, text in values]
    # What is not itself in raw is counted, and nothing else is.
    altered = expected.count(None) + sum("\\0b" in sql for sql, _ in values)
    assert sum(n for (one, *_), n in carried.summary.altered.items() if one == name) == altered
    if expected_type == "inet":
        expected = [
            f"{text}/{32 if '.' in text and ':' not in text else 128}" for text in expected if text
        ]
    assert [text for (text,) in rows] == [*expected, None]
    read = read_exactly if line in LINES else read_texts
    assert read(lab.replication, name) == read(lab.source, name)
    kind = lab.analytics.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attname = 'c'",
        (table,),
    ).fetchone()
    assert kind == (expected_type,)


@pytest.mark.parametrize("line", LINES, ids=[line[0] for line in LINES])
def test_type(carried: Carried, line: Line) -> None:
    check_line(carried, line)


OF_ONE_SERVER = MARIADB_ONLY + MYSQL_ONLY


@pytest.mark.parametrize("line", OF_ONE_SERVER, ids=[line[0] for line in OF_ONE_SERVER])
def test_type_that_one_server_has(carried: Carried, line: Line) -> None:
    if line not in carried_lines(carried.lab):
        pytest.skip("the source has no such type")
    check_line(carried, line)


def test_every_type_of_the_table_has_a_line() -> None:
    tested = {line[1].split("(")[0].split()[0] for line in LINES + OF_ONE_SERVER}
    families = {
        "longtext": {"tinytext", "text", "mediumtext", "longtext"},
        "longblob": {"tinyblob", "blob", "mediumblob", "longblob"},
        "geometrycollection": {"geometrycollection", "geomcollection"},
    }
    covered = tested.union(*(families[name] for name in tested & families.keys()))
    assert set(types.TYPES) <= covered


@pytest.mark.parametrize("kind", ["datetime", "timestamp", "time"])
def test_every_precision_of_times(lab: Lab, run: Run, kind: str) -> None:
    columns = ", ".join(f"c{digits} {kind}({digits}) NULL" for digits in range(7))
    clock = "" if kind == "time" else "2024-02-29 "
    values = [f"{clock}23:59:58" + (f".{123456 // 10 ** (6 - d):0{d}d}" if d else "")
              for d in range(7)]  # fmt: skip
    make_table(
        lab.source,
        f"CREATE TABLE t (k int PRIMARY KEY, {columns})",
        f"INSERT INTO t VALUES (1, {', '.join(map(repr, values))})",
    )
    assert run().is_success
    lab.analytics.execute("SET timezone = 'UTC'")
    names = ", ".join(f"c{digits}::text" for digits in range(7))
    (found,) = lab.analytics.execute(f"SELECT {names} FROM raw.t").fetchall()
    assert [text.removesuffix("+00") for text in found] == values
    assert read_exactly(lab.replication, "t") == read_exactly(lab.source, "t")
