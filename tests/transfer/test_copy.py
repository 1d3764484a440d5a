"""The sink of the warehouse: all rows or none, and a refused value is found by its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import DiagnosticField

from etl_pipeline.core.driver_errors import explain, is_passing
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.schema.names import postgres_name, quote_postgres
from etl_pipeline.transfer.binary import framed
from etl_pipeline.transfer.copy import RefusedRow, copy_text, locate_refusal
from etl_pipeline.transfer.select import RenderedTable, render_table
from tests.conftest import Lab

COLUMNS = ["k", "word"]


@pytest.fixture
def target(analytics: Any) -> str:
    analytics.execute("CREATE SCHEMA raw")
    analytics.execute("CREATE TABLE raw.t (k integer PRIMARY KEY, word text)")
    analytics.commit()
    return "raw.t"


def count(lab: Lab) -> int:
    row = lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone()
    return int(row[0]) if row else -1


def lines(rows: int) -> Iterator[bytes]:
    return (b"%d\tword %d\n" % (n, n) for n in range(rows))


def test_rows_are_counted_and_the_caller_commits(lab: Lab, analytics: Any, target: str) -> None:
    assert copy_text(analytics, target, COLUMNS, lines(5000)) == 5000
    assert copy_text(analytics, target, COLUMNS, []) == 0
    assert count(lab) == 0
    analytics.commit()
    assert count(lab) == 5000


def test_blocks_may_be_cut_at_every_byte(analytics: Any, target: str) -> None:
    text = "1\tÄ\\t\\\\\\n\n2\t\\N\n3\t\\\\.\n4\t\n".encode()
    for cut in range(len(text) + 1):
        assert copy_text(analytics, target, COLUMNS, [text[:cut], text[cut:]]) == 4
        rows = analytics.execute("SELECT k, word FROM raw.t ORDER BY k").fetchall()
        assert rows == [(1, "Ä\t\\\n"), (2, None), (3, "\\."), (4, "")]
        analytics.rollback()


def test_a_producer_that_raises_leaves_nothing(lab: Lab, analytics: Any, target: str) -> None:
    def blocks() -> Iterator[bytes]:
        yield from lines(5000)
        assert count(lab) == 0
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        copy_text(analytics, target, COLUMNS, blocks())
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        analytics.execute("SELECT 1")
    analytics.rollback()
    assert analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (0,)


def test_a_key_twice_is_an_error_and_leaves_nothing(lab: Lab, analytics: Any, target: str) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation) as caught:
        copy_text(analytics, target, COLUMNS, [*lines(3), b"1\tonce more\n"])
    assert "once more" not in str(explain(caught.value, target))
    assert locate_refusal(caught.value, table_of("k", "word"), "t") is None
    analytics.commit()
    assert count(lab) == 0


def test_a_session_ended_among_the_rows_is_a_lost_connection(
    lab: Lab, analytics: Any, target: str
) -> None:
    def blocks() -> Iterator[bytes]:
        for n, line in enumerate(lines(500_000)):
            if n == 5000:
                pid = analytics.info.backend_pid
                lab.analytics.execute("SELECT pg_terminate_backend(%s)", (pid,))
            yield line

    with pytest.raises(psycopg.Error) as caught:
        copy_text(analytics, target, COLUMNS, blocks())
    assert is_passing(caught.value)
    assert locate_refusal(caught.value, table_of("k", "word"), "t") is None
    assert analytics.closed
    assert count(lab) == 0


def test_a_full_disk_among_the_rows_is_said_by_its_code(
    lab: Lab, analytics: Any, target: str
) -> None:
    fill_disk_at(lab, "raw.t", "NEW.k = 3000")
    with pytest.raises(psycopg.errors.DiskFull) as caught:
        copy_text(analytics, target, COLUMNS, lines(5000))
    failure = explain(caught.value, "t")
    assert str(failure) == "t: the server's disk is full (53100)\n  fix: free space on the server"
    assert locate_refusal(caught.value, table_of("k", "word"), "t") is None
    analytics.rollback()
    assert count(lab) == 0


def fill_disk_at(lab: Lab, table: str, condition: str) -> None:
    """Let the server report a full disk once a row meets *condition*."""
    lab.analytics.execute(
        "CREATE FUNCTION public.fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition} THEN RAISE 'Muster' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$"
    )
    lab.analytics.execute(
        f"CREATE TRIGGER fill_disk BEFORE INSERT ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION public.fill_disk()"
    )


# --- where a value was refused --------------------------------------------------------------------

CONTEXTS = {
    "English": 'COPY {}, line {}, column {}: "{}"',
    "German": "COPY {}, Zeile {}, Spalte {}: »{}«",
    "Spanish": "COPY {}, línea {}, columna {}: «{}»",
    "French": "COPY {}, ligne {}, colonne {} : « {} »",
    "Italian": 'COPY {}, riga {}, colonna {}: "{}"',
    "Japanese": '{}のCOPY、行 {}、列 {}: "{}"',
    "Georgian": 'COPY {}, ხაზი {}, სვეტი {}: "{}"',
    "Korean": '{} 복사, {}번째 줄, {} 열: "{}"',
    "Russian": 'COPY {}, строка {}, столбец {}: "{}"',
    "Swedish": 'COPY {}, rad {}, kolumn {}: "{}"',
    "Ukrainian": 'COPY {}, рядок {}, стовпець {}: "{}"',
}
ROW_CONTEXTS = {"English": "COPY {}, line {}", "Korean": "{} 복사, {}번째 줄"}
NAMES = [
    "c", "k", "column", "column c", "c: d", "a, b", "7", "line 7", "x:", ":", "per%cent", "Ω" * 40,
    "a.b", "colonne", "열", "(", "c", "[",
]  # fmt: skip
VALUES = ["5", ' c: "6"', ", column k: x", "line 9, column column: y", "", "\n"]


def table_of(*names: str) -> RenderedTable:
    columns = [Column(name, "int", "int", is_nullable=False) for name in dict.fromkeys(names)]
    return render_table(Table("t", tuple(columns), (names[0],)))


def refused(context: str, sqlstate: str = "22P02") -> psycopg.Error:
    info: dict[int, bytes | None] = {
        DiagnosticField.CONTEXT: context.encode(),
        DiagnosticField.SQLSTATE: sqlstate.encode(),
    }
    return errors.lookup(sqlstate)("x", info=info)


@pytest.mark.parametrize("language", CONTEXTS)
@pytest.mark.parametrize("relation", ["t", "_etl_incoming", "line 3, column c: x", "COPY", "O, 5"])
def test_line_and_column_are_found_in_every_language(language: str, relation: str) -> None:
    text = table_of(*NAMES)
    for name in NAMES:
        for value in VALUES:
            context = CONTEXTS[language].format(relation, 12, postgres_name(name), value)
            found = locate_refusal(refused(context), text, relation)
            assert found == RefusedRow(12, name), context


@pytest.mark.parametrize("language", ROW_CONTEXTS)
def test_a_row_that_is_too_large_has_a_line_alone(language: str) -> None:
    context = ROW_CONTEXTS[language].format("t", 12)
    assert locate_refusal(refused(context, "54000"), table_of(*NAMES), "t") == RefusedRow(12, None)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("target")
def test_a_real_server_says_the_line_of_a_value_that_is_too_large(
    analytics: Any, request: pytest.FixtureRequest
) -> None:
    """A bytea as text: half a gigabyte of bytes is a gigabyte of digits."""
    if not request.config.getoption("--long"):
        pytest.skip("takes gigabytes of memory: make test-long")
    analytics.execute("CREATE TABLE raw.b (k int, b bytea)")
    analytics.commit()
    megabyte = b"00" * (1 << 19)
    large = [b"7\t\\\\x", *[megabyte] * 1040, b"\n"]
    with pytest.raises(psycopg.Error) as caught:
        copy_text(analytics, "raw.b", ["k", "b"], [b"1\t\\\\x00\n", *large])
    assert locate_refusal(caught.value, table_of("k", "b"), "b") == RefusedRow(2, None)


@pytest.mark.parametrize("state", ["53100", "57014", "23505", "40P01"])
def test_what_is_not_about_a_value_has_no_place(state: str) -> None:
    context = CONTEXTS["English"].format("t", 12, "c", "5")
    assert locate_refusal(refused(context, state), table_of(*NAMES), "t") is None
    assert locate_refusal(refused(""), table_of(*NAMES), "t") is None


def test_a_line_of_another_form_is_not_called_too_large(analytics: Any, target: str) -> None:
    with pytest.raises(psycopg.errors.BadCopyFileFormat) as caught:
        copy_text(analytics, target, COLUMNS, [b"1\ta\tb\n"])
    assert locate_refusal(caught.value, table_of(*COLUMNS), "t") is None


NO_JSON = [b'{"t, 9, column c: ": 1x}', b"", b"{\\nt, 9}"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, value) for kind in ("json", "jsonb") for value in NO_JSON),
        ("jsonb", b'"\\\\u0000"'),
    ],
)
@pytest.mark.usefixtures("target")
def test_what_json_says_is_not_taken_for_the_place(analytics: Any, kind: str, value: bytes) -> None:
    """PostgreSQL shows a part of it before the place."""
    analytics.execute(f"CREATE TABLE raw.data (c text, k {kind})".encode())
    analytics.commit()
    text = table_of("c", "k")
    with pytest.raises(psycopg.DataError) as caught:
        copy_text(analytics, "raw.data", ["c", "k"], [b"a\t1\n", b"b\t" + value + b"\n"])
    assert locate_refusal(caught.value, text, "data") == RefusedRow(2, "k")


def test_a_row_in_binary_form_has_its_place_too(analytics: Any, target: str) -> None:
    analytics.execute("CREATE TABLE raw.j (k json, c text)")
    analytics.commit()
    row = b"\x00\x02" + b"\x00\x00\x00\x01{" + b"\x00\x00\x00\x01a"
    good = row.replace(b"{", b"1")
    with pytest.raises(psycopg.DataError) as caught:
        copy_text(analytics, "raw.j", ["k", "c"], framed([good, good, row]), ["FORMAT binary"])
    text = table_of("k", "c", "k json")
    assert locate_refusal(caught.value, text, "j", is_binary=True) == RefusedRow(3, "k")
    for language, context in CONTEXTS.items():
        shown = re.sub(r" ?: .*", "", context).format("t", 12, "c")
        assert locate_refusal(refused(shown), table_of(*NAMES), "t", is_binary=True) == RefusedRow(
            12, "c"
        ), language


@pytest.mark.usefixtures("target")
def test_a_real_server_names_the_place(analytics: Any) -> None:
    relation = "my, line 4, column a: b"
    columns = ", ".join(f"{quote_postgres(name)} integer" for name in dict.fromkeys(NAMES))
    quoted = quote_postgres("raw", relation)
    analytics.execute(f"CREATE TABLE {quoted} ({columns})".encode())
    analytics.commit()
    text = table_of(*NAMES)
    names = text.column_names
    for position, name in enumerate(names):
        fields = [b"1"] * len(names)
        good = b"\t".join(fields) + b"\n"
        fields[position] = b"x, column c: y"
        with pytest.raises(psycopg.DataError) as caught:
            copy_text(analytics, quoted, names, [good, good, b"\t".join(fields)])
        assert locate_refusal(caught.value, text, relation) == RefusedRow(3, name)
        analytics.rollback()
