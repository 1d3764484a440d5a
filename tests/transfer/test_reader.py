"""The reader on a real server: whatever happens to a result, it never looks like its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

from etl_pipeline.core.connections import ConnectionFactory
from etl_pipeline.core.driver_errors import explain, is_passing, is_too_long
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.core.throttle import Throttle, ThrottleLimits
from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer import wire
from etl_pipeline.transfer.reader import read_certainly, read_text
from tests.conftest import Lab
from tests.rows import run_sql
from tests.transfer.conftest import NUMBERS, make_numbers
from tests.transfer.packets import FULL
from tests.transfer.packets import read_text as read_lines
from tests.transfer.proxy import Proxy

PLAIN = [Mode.PLAIN]
WIDE = "SELECT n, REPEAT('x', 2000) FROM numbers"
WIDE_MODES = [Mode.PLAIN, Mode.TEXT]


@pytest.fixture(autouse=True)
def _numbers(lab: Lab) -> None:
    make_numbers(lab.source)
    make_numbers(lab.replication, rows=20)


def ask(connection: Any, statement: str = "SELECT 42") -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def read(connection: Any, statement: str, modes: list[Mode]) -> bytes:
    return b"".join(block.text for block in read_text(connection, statement, modes))


def lose(blocks: Iterator[Any]) -> tuple[int, pymysql.err.MySQLError]:
    """Read to the error that must come: how many rows came before it, and the error."""
    rows = 0
    try:
        for block in blocks:
            rows += block.rows
    except pymysql.err.MySQLError as error:
        return rows, error
    pytest.fail(f"the result ended after {rows} rows as if it were whole")


@contextlib.contextmanager
def setting(lab: Lab, **values: int) -> Iterator[None]:
    """The source's server with a global variable set to another value for the block."""
    ((name, value),) = values.items()
    (before,) = ask(lab.source, f"SELECT @@GLOBAL.{name}")
    run_sql(lab.source, f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        run_sql(lab.source, f"SET GLOBAL {name} = {before}")


def test_no_rows_are_no_blocks(source: Any) -> None:
    assert list(read_text(source, "SELECT n FROM numbers WHERE n < 0", PLAIN)) == []
    assert ask(source) == (42,)


def test_one_connection_reads_one_result_after_the_other(source: Any) -> None:
    expected = b"".join(b"%d\n" % n for n in range(1, NUMBERS + 1))
    for _ in range(3):
        assert read(source, "SELECT n FROM numbers ORDER BY n", PLAIN) == expected
        assert ask(source) == (42,)


def test_rows_of_16_megabytes_and_more(lab: Lab) -> None:
    with (
        setting(lab, max_allowed_packet=1 << 26),
        closing(connect_mysql(lab.servers.source)) as connection,
    ):
        for payload in (FULL - 1, FULL, FULL + 1, 2 * FULL - 1, 2 * FULL, 2 * FULL + 9):
            check_row_of(connection, payload)


def check_row_of(connection: Any, payload: int) -> None:
    # A row begins with two bytes, "7" takes two, the empty value one; a length from 2**24 on takes
    # nine bytes, else four.
    size = payload - 5 - (4 if payload - 9 < 1 << 24 else 9)
    statement = f"SELECT '7', REPEAT('y', {size}), '' UNION ALL SELECT '8', NULL, 'z'"
    found = read(connection, statement, [Mode.TEXT, Mode.TEXT, Mode.TEXT])
    assert found == b"7\t" + b"y" * size + b"\t\n8\t\\N\tz\n"
    assert ask(connection) == (42,)


def test_an_error_in_the_middle_is_raised_and_the_connection_goes_on(source: Any) -> None:
    statement = (
        "SELECT n, REPEAT('x', 200), (SELECT n FROM numbers AS b WHERE a.n = 5000 AND b.n < 3) "
        "FROM numbers AS a"
    )
    rows, error = lose(read_text(source, statement, [Mode.PLAIN, Mode.TEXT, Mode.PLAIN]))
    assert error.args[0] == 1242  # subquery returns more than 1 row
    assert 0 < rows < 5000
    assert not is_passing(error)
    assert ask(source) == (42,)


def test_a_refused_statement_leaves_the_connection_in_order(source: Any) -> None:
    with pytest.raises(pymysql.err.ProgrammingError) as caught:
        list(read_text(source, "SELECT n FROM no_such_table", PLAIN))
    assert caught.value.args[0] == 1146
    assert source._sent_at is None  # what comes next is not counted as its time
    assert ask(source) == (42,)


def test_a_result_of_another_form_is_refused_and_the_connection_closed(lab: Lab) -> None:
    with closing(connect_mysql(lab.servers.source, lab.env["TEST_OPENDENTAL_SOURCE_DB"])) as plain:
        with pytest.raises(TransferError):
            list(read_text(plain, "SELECT n, n FROM numbers", PLAIN))
        assert not plain.open


@pytest.mark.parametrize(
    "statement", ["SET @x = 1", "CALL p()", "SELECT n FROM numbers WHERE n = ?"]
)
def test_what_is_no_select_of_ours_is_refused_and_the_connection_closed(
    lab: Lab, statement: str
) -> None:
    run_sql(lab.source, "CREATE PROCEDURE p() SELECT 7")
    with closing(connect_mysql(lab.servers.source, lab.env["TEST_OPENDENTAL_SOURCE_DB"])) as plain:
        with pytest.raises(TransferError):
            list(read_text(plain, statement, PLAIN))
        assert not plain.open


@pytest.mark.parametrize("version", [None, "8.0.36"])
def test_a_statement_larger_than_a_packet_is_read(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    with (
        setting(lab, max_allowed_packet=1 << 25),
        closing(connect_mysql(lab.servers.source)) as plain,
    ):
        if version:
            monkeypatch.setattr(plain, "server_version", version)
        assert read(plain, "SELECT 1 /*" + "x" * (17 << 20) + "*/", PLAIN) == b"1\n"
        assert ask(plain) == (42,)


def test_rows_of_a_statement_that_was_left_open_are_nobodys(lab: Lab) -> None:
    """MariaDB runs the last one that it prepared where it refuses to prepare another."""
    with closing(connect_mysql(lab.servers.source, lab.env["TEST_OPENDENTAL_SOURCE_DB"])) as plain:
        assert wire.open_result(plain, "SELECT 1").forms
        wire.read_more(plain, b"", 0)
        with (
            setting(lab, max_prepared_stmt_count=0),
            pytest.raises(pymysql.err.MySQLError) as caught,
        ):
            list(read_text(plain, "SELECT n FROM numbers", PLAIN))
        assert caught.value.args[0] == 1461
        assert not plain.open or ask(plain) == (42,)


@pytest.mark.parametrize(
    ("version", "is_told_both"),
    [(None, None), ("10.1.48-MariaDB", False), ("8.0.36", False), ("5.5.5-10.2.0-MariaDB", True)],
)
def test_a_server_that_can_is_told_to_prepare_and_to_execute_at_once(
    source: Any, monkeypatch: pytest.MonkeyPatch, version: str | None, is_told_both: bool | None
) -> None:
    """What MariaDB does for both answers the same, whichever way it is asked."""
    sent: list[str] = []
    send, receive = source._execute_command, source._read_packet
    commands = {0x16: "prepare", 0x17: "execute", 0x19: "close"}

    def execute_command(command: int, sql: Any) -> None:
        sent.append(commands[command])
        send(command, sql)

    def read_packet(*arguments: Any) -> Any:
        sent.append("answer")
        return receive(*arguments)

    if version and is_told_both and "MariaDB" not in source.server_version:
        pytest.skip("the server is no MariaDB")
    if version:
        monkeypatch.setattr(source, "server_version", version)
    monkeypatch.setattr(source, "_execute_command", execute_command)
    monkeypatch.setattr(source, "_read_packet", read_packet)
    assert read(source, "SELECT n FROM numbers WHERE n < 3 ORDER BY n", PLAIN) == b"1\n2\n"
    if is_told_both is not None:
        assert sent[:2] == ["prepare", "execute" if is_told_both else "answer"]
    assert sent.count("execute") == sent.count("close") == 1
    for refused in ("SELECT n FROM no_such_table", "SELECT (SELECT n FROM numbers WHERE n < 9)"):
        with pytest.raises(pymysql.err.MySQLError):
            list(read_text(source, refused, PLAIN))
    assert read(source, "SELECT n FROM numbers WHERE n = 7", PLAIN) == b"7\n"


def test_the_server_keeps_no_prepared_statement(lab: Lab, source: Any) -> None:
    def count() -> int:
        return int(ask(lab.source, "SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[1])

    before = count()
    for _ in range(3):
        read(source, "SELECT n FROM numbers", PLAIN)
        with pytest.raises(pymysql.err.MySQLError):  # refused when it is prepared
            list(read_text(source, "SELECT n FROM no_such_table", PLAIN))
        with pytest.raises(pymysql.err.MySQLError):  # refused when it is run
            list(read_text(source, "SELECT (SELECT n FROM numbers WHERE n < 9)", PLAIN))
    assert ask(source) == (42,)
    assert count() == before


def test_a_server_that_prepares_nothing_is_told_apart(lab: Lab, source: Any) -> None:
    with (
        setting(lab, max_prepared_stmt_count=0),
        pytest.raises(pymysql.err.MySQLError) as caught,
    ):
        list(read_text(source, "SELECT n FROM numbers", PLAIN))
    assert "max_prepared_stmt_count" in (explain(caught.value, "source").fix or "")
    assert ask(source) == (42,)


ALL_FORMS = {
    "i1": ("tinyint", "-128", "0", "127"),
    "u1": ("tinyint unsigned", "0", "255", "7"),
    "i2": ("smallint", "-32768", "0", "32767"),
    "u2": ("smallint unsigned", "0", "65535", "10"),
    "i3": ("mediumint", "-8388608", "0", "8388607"),
    "u3": ("mediumint unsigned", "0", "16777215", "100"),
    "i4": ("int", "-2147483648", "0", "2147483647"),
    "u4": ("int unsigned", "0", "4294967295", "1000"),
    "i8": ("bigint", "-9223372036854775808", "0", "9223372036854775807"),
    "u8": ("bigint unsigned", "0", "18446744073709551615", "99"),
    "z": ("int(7) zerofill", "0", "42", "123456789"),
    "n": ("decimal(30,5)", "-1234567890123456789012345.00001", "0", "0.10000"),
    "y": ("year", "0", "1901", "2155"),
    "d": ("date", "'0000-00-00'", "'2022-11-00'", "'9999-12-31'"),
    "dt": ("datetime", "'0000-00-00'", "'0000-05-01 23:59:59'", "'9999-12-31 23:59:59'"),
    "dt3": ("datetime(3)", "'0000-00-00'", "'2024-02-29'", "'2024-02-29 01:02:03.045'"),
    "dt6": ("datetime(6)", "'2024-02-29'", "'2024-02-29 01:02:03'", "'2024-02-29 01:02:03.000001'"),
    "ts": ("timestamp", "'0000-00-00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"),
    "ts6": ("timestamp(6)", "'2024-02-29'", "'2024-02-29 00:00:00.5'", "'1999-12-31 00:00:00.12'"),
    "t": ("time", "'-838:59:59'", "'00:00:00'", "'838:59:59'"),
    "t2": ("time(2)", "'-00:00:00.01'", "'00:00:00'", "'100:00:00.99'"),
    "t6": ("time(6)", "'-30:00:00'", "'00:00:00'", "'23:59:59.999999'"),
    "b": ("bit(12)", "b'0'", "b'101010101010'", "b'1'"),
    "e": ("enum('a', 'b c')", "'a'", "'b c'", "NULL"),
    "s": ("set('x', 'y')", "''", "'x,y'", "'y'"),
    "c": ("char(3)", "''", "'é'", "'a'"),
    "v": ("varchar(300)", "''", "repeat('é', 300)", "'null'"),
    "l": ("longtext", "''", "repeat('x', 70000)", "'y'"),
    "x": ("varbinary(300)", "''", "repeat(x'41', 251)", "x'41'"),
    "g": ("double", "-1.5", "0", "1e14"),
    "f": ("float", "-1.5", "0", "65536"),
    "m": ("double(10,2)", "-1.5", "0", "12345678.25"),
}  # fmt: skip
"""Columns of every form, and three values for each."""


def print_rows(connection: Any, statement: str) -> list[bytes | None]:
    """The values of all rows as the server prints them, one after the other."""
    decoders, connection.decoders = connection.decoders, {}
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            values = [value for row in cursor.fetchall() for value in row]
    finally:
        connection.decoders = decoders
    return [value.encode() if isinstance(value, str) else value for value in values]


def test_every_value_reads_as_the_server_prints_it(lab: Lab, source: Any) -> None:
    declared = ", ".join(f"{name} {kind} NULL" for name, (kind, *_) in ALL_FORMS.items())
    run_sql(lab.source, f"CREATE TABLE forms (k int PRIMARY KEY, {declared})")
    run_sql(lab.source, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
    for i in range(3):
        values = ", ".join(column[1 + i] for column in ALL_FORMS.values())
        run_sql(lab.source, f"INSERT INTO forms VALUES ({i}, {values})")
    run_sql(lab.source, "INSERT INTO forms (k) VALUES (3)")
    names = ", ".join(name if name != "b" else "BIN(b)" for name in ALL_FORMS)
    statement = f"SELECT {names} FROM forms ORDER BY k"
    text = read(source, statement, [Mode.TEXT] * len(ALL_FORMS))
    printed = print_rows(lab.source, statement)
    found = [value for row in read_lines(text) for value in row]
    for name, mine, theirs in zip(list(ALL_FORMS) * 4, found, printed, strict=True):
        if name in ("g", "f", "m") and mine is not None and theirs is not None:
            assert float(mine) == float(theirs), name
        else:
            assert mine == theirs, name


def test_an_abandoned_result_closes_the_connection_at_once_and_the_pool_renews_it(
    lab: Lab,
) -> None:
    engine = ConnectionFactory.get_source_connection(lab.settings)
    lent = engine.raw_connection()
    connection: Any = lent.driver_connection
    blocks = read_text(connection, WIDE, WIDE_MODES)
    assert next(blocks).rows < NUMBERS
    started = time.monotonic()
    blocks.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 0.5  # the 20 MB that are unread are not drained
    assert lent.driver_connection is not None
    assert not lent.driver_connection.open
    lent.close()
    with engine.connect() as fresh:
        assert fresh.exec_driver_sql("SELECT 42").scalar_one() == 42
    engine.dispose()


@pytest.mark.parametrize(("kill", "passing"), [("CONNECTION", True), ("QUERY", False)])
def test_a_session_killed_in_the_middle_never_looks_like_the_end(
    lab: Lab, source: Any, kill: str, passing: bool
) -> None:
    blocks = read_text(source, WIDE, WIDE_MODES)
    rows = next(blocks).rows
    with closing(connect_mysql(lab.servers.source)) as admin, admin.cursor() as cursor:
        cursor.execute(f"KILL {kill} {source.thread_id()}")
    more, error = lose(blocks)
    assert rows + more < NUMBERS
    assert is_passing(error) is passing
    assert source.open is not passing


def test_a_stream_cut_anywhere_never_looks_like_the_end(
    proxy: Proxy, connect: Callable[..., Any]
) -> None:
    statement, modes = "SELECT n, REPEAT('x', n) FROM numbers", WIDE_MODES
    connection = connect()
    before = proxy.client_bytes
    whole = read(connection, statement, modes)
    assert whole.count(b"\n") == 20
    size = proxy.client_bytes - before
    for count in [*range(0, size - 12, 9), *range(size - 12, size)]:
        connection = connect()
        proxy.cut_after(count or 1)
        rows, error = lose(read_text(connection, statement, modes))
        assert rows <= 20
        assert is_passing(error), (count, error)
        assert not connection.open
    proxy.cut_after(size)
    connection = connect()
    assert read(connection, statement, modes) == whole


def test_a_large_row_cut_in_the_middle_is_no_row(proxy: Proxy, connect: Callable[..., Any]) -> None:
    for count in (300_000, 700_000, 999_990):
        connection = connect()
        proxy.cut_after(count)
        rows, error = lose(read_text(connection, "SELECT 1, REPEAT('x', 1000000)", WIDE_MODES))
        assert rows == 0
        assert is_passing(error)


def test_a_read_that_stalls_is_given_up_after_the_timeout(
    proxy: Proxy, connect: Callable[..., Any]
) -> None:
    for count in (1, 90, 5000, 600_000):
        connection = connect(read_timeout=0.3)
        proxy.stall_after(count)
        started = time.monotonic()
        _, error = lose(read_text(connection, "SELECT 1, REPEAT('x', 1000000)", WIDE_MODES))
        assert 0.2 < time.monotonic() - started < 5
        assert is_passing(error)
        assert not connection.open


def test_the_time_limit_in_the_middle_is_an_error_that_does_not_pass(source: Any) -> None:
    slow = (
        "SELECT n, REPEAT('x', 2000), (SELECT COUNT(*) FROM numbers AS b WHERE b.n * a.n % 7 = 3) "
        "FROM numbers AS a"
    )
    rows, error = lose(read_text(source, slow, [Mode.PLAIN, Mode.TEXT, Mode.PLAIN]))
    assert 0 < rows < NUMBERS
    assert error.args[0] in (1969, 3024)
    assert not is_passing(error)
    assert "max_seconds_per_statement" in (explain(error, "source").fix or "")
    assert ask(source) == (42,)


def test_a_reader_that_stalls_is_cut_off_by_the_server_and_told_so(lab: Lab) -> None:
    with closing(connect_mysql(lab.servers.source, lab.env["TEST_OPENDENTAL_SOURCE_DB"])) as plain:
        ask(plain, "SELECT 1 FROM numbers LIMIT 1")
        with plain.cursor() as cursor:
            cursor.execute("SET SESSION net_write_timeout = 1")
        blocks = read_text(plain, WIDE, WIDE_MODES)
        rows = next(blocks).rows
        time.sleep(1.8)
        more, error = lose(blocks)
    assert rows + more < NUMBERS
    assert is_passing(error)


# No row and no error


def open_source(lab: Lab, seconds: float, clock: Callable[[], float] = time.monotonic) -> Any:
    place = lab.servers.source
    limits = ThrottleLimits(seconds_per_statement=seconds)
    return SourceConnection(
        throttle=Throttle(limits, clock=clock, watches_load=False),
        host=place.host,
        port=place.port,
        user=place.user,
        password=place.password.encode(),
        database=lab.env["TEST_OPENDENTAL_SOURCE_DB"],
    )


def test_a_statement_that_the_server_ends_while_it_plans_it_has_no_empty_answer(lab: Lab) -> None:
    """MariaDB 10.11 takes the range of the index for impossible then, one time of fifty."""
    with closing(open_source(lab, 0.0001)) as source:
        for n in range(2000):
            statement = f"SELECT n FROM numbers WHERE n > {n} ORDER BY n LIMIT 1000"
            rows = 1000
            with contextlib.suppress(pymysql.err.OperationalError):
                rows = sum(block.rows for block in read_text(source, statement, PLAIN))
            assert rows == 1000


def test_nothing_is_believed_only_where_it_came_in_time(lab: Lab) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += step
        return now[0]

    step = 0.0
    with closing(open_source(lab, 5.0, clock)) as source:
        assert read(source, "SELECT n FROM numbers WHERE n < 0", PLAIN) == b""
        assert ask(source, "SELECT n FROM numbers WHERE n < 0") is None
        step = 5.0
        assert read(source, "SELECT n FROM numbers WHERE n = 7", PLAIN) == b"7\n"
        with pytest.raises(pymysql.err.OperationalError) as cut:
            read(source, "SELECT n FROM numbers WHERE n < 0", PLAIN)
        assert is_too_long(cut.value)
        with pytest.raises(pymysql.err.OperationalError) as cut:
            ask(source, "SELECT n FROM numbers WHERE n < 0")
        assert is_too_long(cut.value)
        # The connection is in order.
        assert ask(source) == (42,)


def test_no_row_is_asked_for_twice(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    real_open = wire.open_result

    def open_result(connection: Any, statement: str | bytes) -> Any:
        sent.append(statement)
        # As if the first were ended by KILL QUERY.
        return real_open(connection, f"{statement!s} AND n < 0" if len(sent) == 1 else statement)

    monkeypatch.setattr(wire, "open_result", open_result)
    with closing(open_source(lab, 5.0)) as source:
        found = [*read_certainly(source, "SELECT n FROM numbers WHERE n = 7", PLAIN)]
        assert [block.text for block in found] == [b"7\n"]
        assert len(sent) == 2
        found = [*read_certainly(source, "SELECT n FROM numbers WHERE n = 8", PLAIN)]
        assert (len(found), len(sent)) == (1, 3)
        assert [*read_certainly(source, "SELECT n FROM numbers WHERE n = -1", PLAIN)] == []
        assert len(sent) == 5
