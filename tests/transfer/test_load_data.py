"""The sink of the replication database: every row as it was sent, or an error and nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_pipeline.core.connections import ConnectionFactory
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer import kernel_python
from etl_pipeline.transfer.layout import layout_of_bytes
from etl_pipeline.transfer.load_data import insert_rows, insert_statements, load_data
from tests.conftest import Lab
from tests.rows import make_table, read_exactly, run_sql
from tests.transfer import packets
from tests.transfer.conftest import read_table_text
from tests.transfer.proxy import Proxy

PEOPLE = """
CREATE TABLE {name} (
  k int NOT NULL, word varchar(5) NULL, small tinyint NULL, day date NULL, bits bit(5) NULL,
  bytes varbinary(9) NULL, number double NULL, PRIMARY KEY (k)
) DEFAULT CHARSET=utf8mb4"""
GOOD = b"7\tok\t1\t2024-02-29\t00101\t00FF\t0.1\n"
BAD = {
    "a key twice": GOOD,
    "a value too long": b"8\ttoolong\t1\t\\N\t\\N\t\\N\t\\N\n",
    "a value out of range": b"8\tok\t128\t\\N\t\\N\t\\N\t\\N\n",
    "a bad number": b"8\tok\tten\t\\N\t\\N\t\\N\t\\N\n",
    "a bad date": b"8\tok\t1\tyesterday\t\\N\t\\N\t\\N\n",
    "a field too few": b"8\tok\t1\t\\N\t\\N\t\\N\n",
    "a field too many": b"8\tok\t1\t\\N\t\\N\t\\N\t\\N\t9\n",
    "a key that is NULL": b"\\N\tok\t1\t\\N\t\\N\t\\N\t\\N\n",
}


@pytest.fixture
def people(lab: Lab) -> None:
    make_table(lab.replication, PEOPLE.format(name="people"))


def ask(connection: Any, statement: str = "SELECT 42") -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def count(lab: Lab, table: str = "people") -> int:
    return int(ask(lab.replication, f"SELECT COUNT(*) FROM {table}"))


@pytest.mark.usefixtures("infile", "people")
def test_a_row_that_the_server_would_skip_or_bend_is_an_error(lab: Lab, replication: Any) -> None:
    text = read_table_text(lab.replication, "people")
    for name, bad in BAD.items():
        try:
            load_data(replication, "people", text, [GOOD + bad])
            pytest.fail(f"{name} was taken")
        except TransferError as error:
            caught = error
        assert "did not take every row" in caught.what, name
        assert caught.fix
        replication.rollback()
        assert count(lab) == 0
        assert ask(replication) == 42
    assert load_data(replication, "people", text, [GOOD]) == 1
    assert count(lab) == 0  # the caller commits
    replication.commit()
    assert count(lab) == 1


@pytest.mark.usefixtures("people")
def test_what_load_data_bends_insert_refuses(lab: Lab, replication: Any) -> None:
    text = read_table_text(lab.replication, "people")
    for name, bad in BAD.items():
        if "field" in name:
            continue  # no statement is made of such a line
        with pytest.raises((TransferError, pymysql.err.MySQLError)):
            insert_rows(replication, "people", text, [GOOD[:-1], bad[:-1]])
        replication.rollback()
        assert count(lab) == 0, name


@pytest.mark.usefixtures("infile")
def test_a_value_that_is_only_rounded_is_an_error_too(lab: Lab, replication: Any) -> None:
    """Strict mode lets it pass with a note."""
    run_sql(lab.replication, "CREATE TABLE price (k int, d decimal(5, 2))")
    text = read_table_text(lab.replication, "price")
    with pytest.raises(TransferError, match="warned 1 times"):
        insert_rows(replication, "price", text, [b"1\t0.125"])
    replication.rollback()
    with pytest.raises(TransferError):
        load_data(replication, "price", text, [b"1\t0.125\n"])
    replication.rollback()
    assert insert_rows(replication, "price", text, [b"1\t0.12"]) == 1


@pytest.mark.usefixtures("infile", "people")
def test_a_producer_that_raises_leaves_nothing(lab: Lab, replication: Any) -> None:
    text = read_table_text(lab.replication, "people")

    def blocks() -> Iterator[bytes]:
        for n in range(1, 20_000):
            yield GOOD.replace(b"7", b"%d" % n, 1)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        load_data(replication, "people", text, blocks())
    assert not replication.open
    # The server must have met the end of the connection, not of the rows, and rolled back.
    deadline = time.monotonic() + 5
    while ask(
        lab.replication,
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'LOAD DATA%'",
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert count(lab) == 0


@pytest.mark.usefixtures("infile", "people")
def test_a_statement_refused_before_the_rows_leaves_the_connection_in_order(
    lab: Lab, replication: Any
) -> None:
    text = read_table_text(lab.replication, "people")
    asked: list[int] = []

    def blocks() -> Iterator[bytes]:
        asked.append(1)
        yield GOOD

    with pytest.raises(pymysql.err.ProgrammingError) as caught:
        load_data(replication, "no_such_table", text, blocks())
    assert caught.value.args[0] == 1146
    assert not asked
    assert load_data(replication, "people", text, [GOOD]) == 1


@pytest.mark.parametrize("number", [1021, 1114])
@pytest.mark.usefixtures("infile", "people")
def test_an_error_of_the_server_among_the_rows_is_raised_by_number(
    lab: Lab, replication: Any, number: int
) -> None:
    text = read_table_text(lab.replication, "people")
    run_sql(
        lab.replication,
        "CREATE TRIGGER full BEFORE INSERT ON people FOR EACH ROW BEGIN IF NEW.k = 5000 THEN "
        f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'Muster'; "
        "END IF; END",
    )
    blocks = (GOOD.replace(b"7", b"%d" % n, 1) for n in range(1, 50_000))
    with pytest.raises(pymysql.err.MySQLError) as caught:
        load_data(replication, "people", text, blocks)
    assert caught.value.args[0] == number
    assert str(explain(caught.value, "people")).startswith(
        f"people: the server's disk is full ({number})"
    )
    assert ask(replication) == 42
    replication.rollback()
    assert count(lab) == 0


@pytest.mark.usefixtures("infile", "people")
def test_blocks_may_be_cut_at_every_byte(lab: Lab, replication: Any) -> None:
    text = read_table_text(lab.replication, "people")
    rows = (
        "7\tÄ\\t\\\\\\n\t-1\t0000-00-00\t00101\t00FF\t-1e-300\n"
        "8\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n9\t\t127\t2024-02-29\t11111\t\t0.1\n"
    ).encode()
    assert load_data(replication, "people", text, [rows]) == 3
    replication.commit()
    expected = read_exactly(lab.replication, "people")
    assert len(expected) == 3
    run_sql(lab.replication, "DELETE FROM people")
    for blocks in [
        *([rows[:cut], rows[cut:]] for cut in range(1, len(rows))),
        [rows[i : i + 1] for i in range(len(rows))],
        [b"", rows, b""],  # an empty packet would be the end of the rows
    ]:
        assert load_data(replication, "people", text, blocks) == 3
        assert read_exactly(replication, "people") == expected
        replication.rollback()


@pytest.mark.usefixtures("infile", "people")
def test_a_server_that_asks_for_a_file_of_its_choice_gets_nothing(
    lab: Lab, proxy: Proxy, connect: Callable[..., Any]
) -> None:
    text = read_table_text(lab.replication, "people")
    connection = connect()
    proxy.to_client = lambda data: data.replace(b"\xfbrow text", b"\xfb/etc/pwd")
    asked: list[int] = []

    def blocks() -> Iterator[bytes]:
        asked.append(1)
        yield GOOD

    with pytest.raises(TransferError, match="a file of its own choice"):
        load_data(connection, "people", text, blocks())
    assert not asked
    assert not connection.open
    assert count(lab) == 0


@pytest.mark.usefixtures("infile", "people")
def test_a_server_that_answers_with_rows_is_left(
    lab: Lab, proxy: Proxy, connect: Callable[..., Any]
) -> None:
    text = read_table_text(lab.replication, "people")
    connection = connect()

    def ask_for_rows(data: bytes) -> bytes:
        return data[:5] + b"SELECT 1".ljust(len(data) - 5) if b"LOAD DATA" in data else data

    proxy.to_server = ask_for_rows
    with pytest.raises(TransferError, match="did not ask for the rows"):
        load_data(connection, "people", text, [GOOD])
    assert not connection.open


@pytest.mark.usefixtures("infile", "people")
def test_a_session_killed_among_the_rows_is_a_lost_connection(lab: Lab) -> None:
    text = read_table_text(lab.replication, "people")
    # A killed session may stay half open: then the time limit of a write is what ends the wait.
    engine = ConnectionFactory.get_replication_connection(
        lab.settings_with(pipeline={"connections": {"replication": {"write_timeout": 1}}})
    )
    connection: Any = engine.raw_connection().driver_connection

    def blocks() -> Iterator[bytes]:
        for n in range(1, 200_000):
            if n == 5000:
                run_sql(lab.replication, f"KILL {connection.thread_id()}")
            yield GOOD.replace(b"7", b"%d" % n, 1)

    with pytest.raises(pymysql.err.MySQLError) as caught:
        load_data(connection, "people", text, blocks())
    assert explain(caught.value, "people").what.startswith("the connection was lost")
    assert not connection.open
    engine.dispose()
    assert count(lab) == 0


# --- INSERT instead of LOAD DATA ------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(
    ["", "'", "\\", "\\'", "''", "\\N", "NULL", "\t\n\r\0\\", '"', "%s", "\x1a", "{}"]
)
values = st.tuples(
    words,
    st.integers(-128, 127).map(str),
    st.sampled_from(["2024-02-29", "0000-00-00", "2022-11-00", "9999-12-31"]),
    st.integers(0, 31).map("{:05b}".format),
    st.binary(max_size=9),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


@st.composite
def some_lines(draw: st.DrawFn) -> list[bytes]:
    """Lines of row text for ``people``, made as the kernel makes them."""
    modes = [Mode.PLAIN, Mode.TEXT, Mode.PLAIN, Mode.DATE, Mode.PLAIN, Mode.BINARY, Mode.PLAIN]
    rows: list[list[bytes | None]] = []
    for key in range(draw(st.integers(0, 8))):
        row = [value if isinstance(value, bytes) else value.encode() for value in draw(values)]
        rows.append([b"%d" % key, *(draw(st.sampled_from([value, value, None])) for value in row)])
    text = kernel_python.render(packets.result(rows), layout_of_bytes(modes), with_copy=False).text
    return text.split(b"\n")[:-1]


@pytest.mark.usefixtures("infile")
def test_statements_of_any_rows_give_the_table_that_load_data_gives(
    lab: Lab, replication: Any
) -> None:
    for name in ("by_load", "by_insert"):
        make_table(lab.replication, PEOPLE.format(name=name))
    text = read_table_text(lab.replication, "by_load")

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some_lines())
    def check(lines: list[bytes]) -> None:
        run_sql(replication, "DELETE FROM by_load", "DELETE FROM by_insert")
        loaded = load_data(replication, "by_load", text, [line + b"\n" for line in lines])
        inserted = insert_rows(replication, "by_insert", text, lines)
        assert loaded == inserted == len(lines)
        replication.commit()
        assert read_exactly(lab.replication, "by_insert") == read_exactly(
            lab.replication, "by_load"
        )

    check()


def test_statements_keep_to_the_limit_and_a_larger_row_goes_alone(lab: Lab) -> None:
    with closing(lab.replication.cursor()) as cursor:
        cursor.execute("CREATE TABLE notes (k int, note longtext)")
    text = read_table_text(lab.replication, "notes")
    lines = [
        b"%d\t" % n + b"x" * size for n, size in enumerate([10, 20, 3000, 5, 400, 500, 600, 7])
    ]
    limit = 1000
    statements = [one for one, _ in insert_statements("notes", text, lines, limit_bytes=limit)]
    sizes = [len(statement) for statement in statements]
    head = len(b"INSERT INTO `notes` (`k`,`note`) VALUES ")
    rows = [statement.count(b"(") - 1 for statement in statements]
    assert sum(rows) == len(lines)
    for size, count_ in zip(sizes, rows, strict=True):
        assert size <= limit + head + count_ or count_ == 1
    assert rows == [2, 1, 3, 2]
    assert list(insert_statements("notes", text, [])) == []
