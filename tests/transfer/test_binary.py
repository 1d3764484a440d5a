"""Binary COPY: the table holds what it would hold by text."""

from __future__ import annotations

import shutil
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.sync.raw_sql import digest_raw
from etl_pipeline.transfer import binary
from etl_pipeline.transfer.binary import Encoder, framed
from etl_pipeline.transfer.copy import copy_text
from etl_pipeline.transfer.select import Chunk, render_table
from tests.conftest import Lab

COLUMNS = {
    "small": ("smallint", "smallint(6)", st.integers(-(2**15), 2**15 - 1).map(str)),
    "number": ("int", "int(11)", st.integers(-(2**31), 2**31 - 1).map(str)),
    "large": ("bigint", "bigint(20)", st.integers(-(2**63), 2**63 - 1).map(str)),
    "exact": ("decimal", "decimal(20,6)", st.decimals(-(10**13), 10**13, places=6).map(str)),
    "widest": ("decimal", "decimal(65,30)", st.decimals(-(10**34), 10**34, places=30).map(str)),
    "fee": ("double", "double", st.decimals(-(10**12), 10**12, places=2).map(str)
            | st.floats(allow_nan=False, allow_infinity=False).map(repr)),
    "day": ("date", "date", st.dates().map(str)),
    "moment": ("datetime", "datetime(6)", st.datetimes().map(lambda t: t.isoformat(" "))),
    "instant": ("timestamp", "timestamp", st.datetimes().map(lambda t: f"{t:%Y-%m-%d %H:%M:%S}"
                .rjust(19, "0"))),
    "clock": ("time", "time(3)", st.tuples(st.sampled_from(["", "-"]), st.integers(0, 838),
              st.times().map(lambda t: f":{t:%M:%S}.{t.microsecond // 1000:03d}"))
              .map(lambda p: f"{p[0]}{p[1]:02d}{p[2]}")),
    "words": ("text", "text",
              st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    "bytes": ("blob", "blob", st.binary(max_size=30).map(lambda b: "\\x" + b.hex())),
}  # fmt: skip
TABLE = Table(
    "t", tuple(Column(name, data, full, True) for name, (data, full, _) in COLUMNS.items())
)
SPECIAL = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"})
EDGES = {
    "large": ["9223372036854775807", "-9223372036854775808", "0"],
    "exact": ["0.000000", "-0.000001", "10000.000000", "99999999999999.999999"],
    "fee": [
        "1e10",
        "-1.7976931348623157e308",
        "2.2250738585072014e-308",
        "5e-324",
        "124.45000000000002",
        "1234567890123456.5",
        "0",
        "-0",
        "0.1",
        "1e308",
        "123456789012345678",
        "0.30000000000000004",
        "-12.5",
    ],
    "day": ["0001-01-01", "9999-12-31", "2000-02-29", "1900-03-01", "1999-12-31"],
    "moment": ["9999-12-31 23:59:59.999999", "0001-01-01 00:00:00", "1999-12-31 23:59:59.5"],
    "clock": ["-838:59:59", "838:59:59", "00:00:00", "-00:00:01"],
    "words": ["", "\\N", "NULL", "\\", "a\tb\nc\rd"],
    "bytes": ["\\x", "\\x00ff"],
}


def field(name: str) -> st.SearchStrategy[str]:
    values = COLUMNS[name][2] | st.sampled_from(EDGES.get(name, ["0"]))
    if name in ("day", "moment", "instant"):
        values = values.filter(lambda value: value != "0")
    return st.just("\\N") | values.map(lambda value: value.translate(SPECIAL))


LINES = st.lists(st.tuples(*map(field, COLUMNS)).map("\t".join), max_size=8)


needs_encoder = pytest.mark.skipif(binary._compiled is None, reason="needs a C compiler")


def lines_of(rows: list[str]) -> bytes:
    return "".join(row + "\n" for row in rows).encode()


@pytest.fixture
def tables(lab: Lab) -> Any:
    """Two empty tables for each example."""
    body = ", ".join(f'"{c.name}" {c.postgres_type}' for c in render_table(TABLE).columns)
    for name in ("by_text", "by_binary"):
        lab.analytics.execute(f"CREATE TABLE {name} ({body})")
    lab.analytics.execute("SET timezone = 'UTC'")
    return lab.analytics


@needs_encoder
def test_binary_rows_are_those_of_the_text(tables: Any, request: pytest.FixtureRequest) -> None:
    text = render_table(TABLE)
    examples = 5000 if request.config.getoption("--long") else 300
    encoded = 0

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(LINES)
    def check(rows: list[str]) -> None:
        nonlocal encoded
        lines = lines_of(rows)
        encoder = Encoder(text)
        tuples, hashes = encoder.encode(lines)
        if not encoder.can_encode():
            assert tuples == b""
            return
        encoded += 1
        tables.execute("TRUNCATE by_text, by_binary")
        copy_text(tables, "by_text", text.column_names, [lines])
        copy_text(tables, "by_binary", text.column_names, framed([tuples]), ["FORMAT binary"])
        differing = tables.execute(
            "(SELECT t::text, float8send(fee) FROM by_text t) EXCEPT ALL "
            "(SELECT t::text, float8send(fee) FROM by_binary t)"
        ).fetchall()
        assert differing == []
        digest = digest_raw("by_binary", text, [Chunk(0)], [Chunk(0)])
        found = tables.execute(digest.encode()).fetchall()
        assert found == ([(0, len(rows), hashes)] if rows else [])
        counts = "SELECT (SELECT count(*) FROM by_text), (SELECT count(*) FROM by_binary)"
        assert tables.execute(counts).fetchone() == (len(rows), len(rows))

    check()
    assert encoded > examples // 4


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("small", "32768"),
        ("large", "9223372036854775808"),
        ("number", "1.5"),
        ("number", ""),
        ("fee", "NaN"),
        ("fee", "inf"),
        ("fee", "0x10"),
        ("fee", "1e999"),
        ("fee", "1,5"),
        ("day", "2023-02-29"),
        ("day", "0000-01-01"),
        ("day", "2023-1-1"),
        ("moment", "2023-01-01 24:00:00"),
        ("moment", "2023-01-01"),
        ("clock", "1:00:00"),
        ("bytes", "\\x0"),
        ("exact", "1."),
        ("exact", "Infinity"),
    ],
)
def test_what_has_no_form_known_here_goes_as_text(column: str, value: str) -> None:
    row = "\t".join(value.translate(SPECIAL) if name == column else "\\N" for name in COLUMNS)
    encoder = Encoder(render_table(TABLE))
    assert encoder.encode(lines_of([row])) == (b"", 0)
    assert not encoder.can_encode()


def test_a_type_that_is_not_known_here_goes_as_text() -> None:
    table = Table("t", (Column("b", "bit", "bit(3)", True),))
    assert not Encoder(render_table(table)).can_encode()


@needs_encoder
@given(st.binary(max_size=300), st.lists(st.integers(0, 10), min_size=1, max_size=5))
def test_any_bytes_are_refused_or_fit_the_bound(lines: bytes, kinds: list[int]) -> None:
    encoded = binary._compiled.encode(lines, bytes(kinds))
    assert encoded is None or len(encoded[0]) <= 8 * len(lines)


def test_the_encoder_is_compiled_where_a_compiler_is_at_hand() -> None:
    assert binary._compiled is not None or shutil.which("cc") is None
