"""Any table, whatever its types, names, keys and values, is equal in the three databases.

Hundreds of tables in ``make test``, thousands in ``make test-long``. The comparison reads with
the drivers, in the servers' own rendering: another way than the product's row text.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from etl_pipeline.errors import TransferError
from etl_pipeline.replicate.strategy import FULL_TABLE
from etl_pipeline.schema.names import quote_mysql, quote_postgres
from etl_pipeline.transfer.select import TAKEN_NAMES
from tests.conftest import Lab
from tests.hops import FINGERPRINT, Bench
from tests.rows import read_exactly

# --- what MySQL and PostgreSQL print, made comparable ---------------------------------------------


def number(text: str) -> object:
    return Decimal(text)


def double(text: str) -> object:
    return float(text)


def single(text: str) -> object:
    return struct.pack("f", float(text))


def time_of(text: str) -> object:
    text = text.removesuffix("+00")
    if text.startswith("0000-") or "-00" in text[4:10]:
        return None
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(text: str) -> object:
    return text.rstrip("0").rstrip(".") if "." in text else text


def bits(text: str) -> object:
    return int(text, 2)


def words(text: str) -> object:
    return text.replace("\0", "")


def digits(text: str) -> object:
    return text.removeprefix("\\x").lower()


def dates(low: str, high: str, fraction: int | None) -> st.SearchStrategy[str]:
    """Dates, and what MySQL takes for one; with a time of day where *fraction* is not None."""
    day = st.dates().map(str) | st.sampled_from(
        ["0000-00-00", "2022-11-00", "2022-00-03", low, high, "2024-02-29"]
    )
    if fraction is None:
        return day
    clock = st.times().map(lambda t: t.strftime("%H:%M:%S"))
    part = st.integers(0, 10**fraction - 1).map(lambda n: f".{n:0{fraction}d}" if fraction else "")
    return st.tuples(day, clock, part).map(lambda p: f"{p[0]} {p[1]}{p[2]}")


def integers(bits_: int, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits_ - 1)), 2 ** (bits_ - 1) - 1) if signed else (0, 2**bits_ - 1)
    return st.integers(low, high) | st.sampled_from([low, high, 0])


def texts(size: int, alphabet: str | None = None) -> st.SearchStrategy[str]:
    hostile = [
        "",
        "NULL",
        "\\N",
        "\\.",
        "\t",
        "\n",
        "\r\n",
        "\\",
        "'",
        '"',
        "\0",
        "a\\0b",
        "  ",
        "%s",
    ]
    if alphabet:
        free = st.text(alphabet=alphabet, max_size=size)
    else:
        # MySQL cannot hold surrogates; utf8mb4 holds everything else.
        free = st.text(st.characters(exclude_categories=["Cs"]), max_size=size)
    return free | st.sampled_from(hostile)


HOUR = st.integers(-838, 838)
TIMES = st.tuples(HOUR, st.integers(0, 59), st.integers(0, 59)).map(
    lambda t: f"{'-' if t[0] < 0 else ''}{abs(t[0]):02d}:{t[1]:02d}:{t[2]:02d}"
)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x != 0) | st.just(0.0)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32).filter(lambda x: x != 0)

Type = tuple[str, st.SearchStrategy[Any], Callable[[str], object]]
INTEGERS = [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)]
TYPES: list[Type] = [
    *((f"{name} {sign}", integers(size, sign == ""), number)
      for name, size in INTEGERS for sign in ("", "unsigned")),
    ("decimal(20,6)", st.decimals(-10**13, 10**13, places=6), number),
    ("decimal(65,30)", st.decimals(-10**34, 10**34, places=30), number),
    ("double", DOUBLES, double),
    ("float", FLOATS, single),
    ("bit(1)", integers(1, signed=False), bits),
    ("bit(13)", integers(13, signed=False), bits),
    ("bit(64)", integers(64, signed=False), bits),
    ("date", dates("0001-01-01", "9999-12-31", None), time_of),
    ("datetime", dates("0001-01-01", "9999-12-31", 0), time_of),
    ("datetime(6)", dates("0001-01-01", "9999-12-31", 6), time_of),
    ("timestamp", st.integers(1, 2**31 - 1), time_of),
    ("time", TIMES, duration),
    ("time(3)", TIMES, duration),
    ("year", st.integers(1901, 2155) | st.just(0), number),
    ("varchar(30) character set utf8mb4 collate utf8mb4_general_ci", texts(30), words),
    ("text character set utf8mb4 collate utf8mb4_bin", texts(200), words),
    ("varchar(30) character set latin1", texts(30, "aé€ÿ \t\\"), words),
    ("char(10) character set utf8mb3", texts(10, "aéΩ \t\\"), words),
    ("varbinary(50)", st.binary(max_size=50), digits),
    ("binary(7)", st.binary(max_size=7), digits),
    ("blob", st.binary(max_size=400), digits),
    ("enum('a','b,c','''') character set utf8mb4", st.sampled_from(["a", "b,c", "'", "x"]), words),
    ("set('a','b','c') character set utf8mb4", st.sampled_from(["", "a", "a,c"]), words),
]  # fmt: skip
NAMES = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20
).filter(lambda name: name == name.strip() and name not in TAKEN_NAMES)

KEYABLE = [
    t
    for t in TYPES
    if t[1] is not None and not t[0].startswith(("double", "float", "text", "blob"))
]


@st.composite
def tables(
    draw: st.DrawFn,
) -> tuple[list[str], list[Type], int, list[list[Any]], list[list[Any]]]:
    """Column names, their types, how many of the first are the key, rows, and rows of later."""
    key_size = draw(st.integers(0, 2))
    kinds = [draw(st.sampled_from(KEYABLE)) for _ in range(key_size)]
    kinds += draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=5))
    names = draw(
        st.lists(NAMES, min_size=len(kinds), max_size=len(kinds), unique_by=lambda n: n.casefold())
    )
    value = [kind[1] if i < key_size else st.none() | kind[1] for i, kind in enumerate(kinds)]
    rows = st.lists(st.tuples(*value).map(list), max_size=12)
    return names, kinds, key_size, draw(rows), draw(rows)


class AnyTable(Bench):
    """A bench for one table ``t`` at a time."""

    def make(
        self, names: list[str], kinds: list[Type], key_size: int, rows: list[list[Any]]
    ) -> None:
        columns = [f"{quote_mysql(n)} {t[0]} {'NOT NULL' if i < key_size else 'NULL'}"
                   for i, (n, t) in enumerate(zip(names, kinds, strict=True))]  # fmt: skip
        if key_size:
            columns.append(f"PRIMARY KEY ({', '.join(map(quote_mysql, names[:key_size]))})")
        with self.lab.source.cursor() as cursor:
            cursor.execute(
                "SET time_zone='+00:00', sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"
            )
            cursor.execute("SET NAMES utf8mb4")
            cursor.execute("DROP TABLE IF EXISTS t")
            cursor.execute(f"CREATE TABLE t ({', '.join(columns).replace('%', '%%')})" % ())
        self.insert(kinds, rows)

    def insert(self, kinds: list[Type], rows: list[list[Any]]) -> None:
        places = ["FROM_UNIXTIME(%s)" if t[0] == "timestamp" else "%s" for t in kinds]
        with self.lab.source.cursor() as cursor:
            for row in rows:
                cursor.execute(f"INSERT IGNORE INTO t VALUES ({', '.join(places)})", row)

    def change(self, kinds: list[Type], rows: list[list[Any]]) -> None:
        """Delete a few rows, and insert *rows*, some with the keys of deleted ones."""
        with self.lab.source.cursor() as cursor:
            cursor.execute("DELETE FROM t LIMIT 3")
        self.insert(kinds, rows)

    def source_rows(self, names: list[str], kinds: list[Type]) -> list[tuple[str | None, ...]]:
        columns = []
        for name, kind in zip(names, kinds, strict=True):
            column = quote_mysql(name)
            form = f"CAST({column} AS CHAR CHARACTER SET utf8mb4)"
            if kind[2] is bits:
                form = f"BIN({column})"
            elif kind[2] is digits:
                form = f"HEX({column})"
            elif kind[2] in (single, double):
                # As a number: MySQL 9 cuts what it casts to text after 22 characters.
                form = f"CAST({column} AS DOUBLE)"
            columns.append(form)
        with self.lab.source.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(columns)} FROM t")
            return list(cursor.fetchall())

    def raw_values(self, names: list[str], kinds: list[Type]) -> Counter[tuple[object, ...]]:
        columns = ", ".join(f"{quote_postgres(name)}::text" for name in names)
        self.lab.analytics.execute("SET timezone = 'UTC'")
        rows = self.lab.analytics.execute(f"SELECT {columns} FROM raw.t".encode()).fetchall()
        return _comparable(rows, kinds)

    def drop_raw(self) -> None:
        self.lab.analytics.execute("DROP TABLE IF EXISTS raw.t")


def _is_altered(value: str | None, kind: Type) -> bool:
    """Whether PostgreSQL has no form for a value."""
    if value is None:
        return False
    return (kind[2] is time_of and time_of(value) is None) or (kind[2] is words and "\0" in value)


def _comparable(rows: Any, kinds: list[Type]) -> Counter[tuple[object, ...]]:
    return Counter(
        tuple(
            None if value is None else kind[2](value)
            for value, kind in zip(row, kinds, strict=True)
        )
        for row in rows
    )


@pytest.fixture
def bench(lab: Lab) -> Any:
    """One for all examples: a fresh table each, in the same databases."""
    made = AnyTable(lab)
    yield made
    made.close()


def test_any_table_is_equal_by_value(
    bench: AnyTable, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from etl_pipeline.replicate import chunking

    monkeypatch.setattr(chunking, "CHUNK_ROWS", 5)
    examples = 5000 if request.config.getoption("--long") else 250

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(tables())
    def check(table: tuple[list[str], list[Type], int, list[list[Any]], list[list[Any]]]) -> None:
        names, kinds, key_size, rows, later = table
        bench.make(names, kinds, key_size, rows)
        bench.drop_raw()
        # A new table; a day's changes, row by row; the same once more, compared as a whole.
        for change, rebuild in ((None, False), (later, False), (None, True)):
            if change is not None:
                bench.change(kinds, change)
            source = bench.source_rows(names, kinds)
            text = bench.read_text("t")
            rules = replace(FINGERPRINT, strategy=FULL_TABLE) if rebuild else FINGERPRINT
            replicated = bench.replicate(text, rules)
            keys = (zip(row[:key_size], kinds, strict=False) for row in source)
            if any(_is_altered(value, kind) for key in keys for value, kind in key):
                with pytest.raises(TransferError, match="the primary key holds"):
                    bench.load(text, replicated, rules)
                return
            bench.load(text, replicated, rules)
            assert read_exactly(bench.lab.replication, "t") == read_exactly(bench.lab.source, "t")
            assert bench.raw_values(names, kinds) == _comparable(source, kinds)

    check()
