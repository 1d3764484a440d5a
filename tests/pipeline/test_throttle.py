"""A source that does not notice: what a run asks of it, seen from the server and by its users."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pymysql.constants import COMMAND

from etl_pipeline.cli.screens.run import run_json, run_screen
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.driver_errors import is_too_long
from etl_pipeline.core.source_connection import list_session_statements
from etl_pipeline.core.source_guard import check_statement
from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.errors import SourceClosedError, StatementRefusedError
from etl_pipeline.pipeline.events import ChunkDone
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.replicate import chunking, pages
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab
from tests.rows import is_mariadb, make_table, numbers, read_mysql, read_postgres, run_sql
from tests.transfer.proxy import proxy_to

LIMIT_SECONDS = 0.25
ROWS = 20_000
TABLES = {
    "note": "CREATE TABLE note (k int PRIMARY KEY, words text) ENGINE={engine}",
    "code": "CREATE TABLE code (k varchar(20) PRIMARY KEY, words text) ENGINE={engine}",
}


def make_tables(lab: Lab, *, engine: str = "MyISAM", rows: int = ROWS, width: int = 600) -> None:
    """A table with a key of numbers, and one with a key of text."""
    for name, key in (("note", "seq"), ("code", "concat('D', seq)")):
        make_table(
            lab.source,
            TABLES[name].format(engine=engine),
            f"INSERT INTO {name} SELECT {key}, repeat(char(65 + seq % 26), {width}) "
            f"FROM {numbers(rows)}",
        )


def source_of(limit: float = LIMIT_SECONDS, **more: Any) -> dict[str, Any]:
    return {"source": {"max_seconds_per_statement": limit, "connections": 2, **more}}


def assert_equal(lab: Lab, *tables: str) -> None:
    for table in tables:
        expected = read_mysql(lab.source, table)
        assert read_mysql(lab.replication, table) == expected
        assert read_postgres(lab.analytics, table) == expected


@pytest.fixture
def slow_line(lab: Lab) -> Iterator[Lab]:
    """The source behind a line of 12 MB a second for each connection."""
    with proxy_to(lab.servers.source.host, lab.servers.source.port) as proxy:

        def pass_slowly(data: bytes) -> bytes:
            time.sleep(len(data) / 12e6)
            return data

        proxy.to_client = pass_slowly
        env = {**lab.env, "TEST_OPENDENTAL_SOURCE_PORT": str(proxy.port)}
        yield replace(lab, env=env)


@contextlib.contextmanager
def logging_statements(lab: Lab) -> Iterator[Callable[[], list[tuple[str, float]]]]:
    """Has the source log what it is sent; gives what our user has sent, and the seconds it took."""
    with closing(connect_mysql(lab.servers.source)) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.log_output, @@GLOBAL.long_query_time")
        before = cursor.fetchone()
        cursor.execute("SET GLOBAL log_output = 'TABLE', long_query_time = 0")
        cursor.execute("TRUNCATE mysql.slow_log")
        cursor.execute("SET GLOBAL slow_query_log = ON")
        user = lab.env["TEST_OPENDENTAL_SOURCE_USER"]

        def read() -> list[tuple[str, float]]:
            cursor.execute(
                "SELECT sql_text, query_time FROM mysql.slow_log WHERE user_host LIKE %s",
                (f"{user}%",),
            )
            said = [
                (text.decode() if isinstance(text, bytes) else text, seconds.total_seconds())
                for text, seconds in cursor.fetchall()
            ]
            # MySQL logs the other commands of the protocol by their names; what was prepared is
            # logged with its text when it is executed.
            other = ("PING", "QUIT", "PREPARE", "CLOSE STMT")
            return [one for one in said if one[0].upper() not in other]

        try:
            yield read
        finally:
            cursor.execute("SET GLOBAL slow_query_log = OFF")
            cursor.execute("SET GLOBAL log_output = %s, long_query_time = %s", before)


class Writer(threading.Thread):
    """Somebody in the practice who changes a row now and then, and looks at the clock."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab
        self._ends = threading.Event()
        self.delays: list[float] = []

    def run(self) -> None:
        database = self._lab.env["TEST_OPENDENTAL_SOURCE_DB"]
        with closing(connect_mysql(self._lab.servers.source, database)) as other:
            number = 0
            while not self._ends.wait(0.01):
                number += 1
                began = time.monotonic()
                run_sql(
                    other,
                    f"UPDATE note SET words = 'n{number}' WHERE k = {number * 97 % ROWS + 1}",
                    f"UPDATE code SET words = 'c{number}' WHERE k = 'D{number * 97 % ROWS + 1}'",
                )
                self.delays.append(time.monotonic() - began)

    def end(self) -> None:
        self._ends.set()
        self.join()


def test_nobody_in_the_practice_waits_for_a_run(lab: Lab, slow_line: Lab) -> None:
    """Of tables of MyISAM, each longer than the limit: writers, and the server's own log."""
    make_tables(lab)
    settings = slow_line.settings_with(pipeline=source_of())
    with logging_statements(lab) as read_log:
        writer = Writer(lab)
        writer.start()
        try:
            began = time.monotonic()
            summary = run_once(settings, RunRequest(), listen=lambda event: None)
            seconds = time.monotonic() - began
        finally:
            writer.end()
        sent = read_log()
    assert summary.is_success, summary.failed
    assert seconds > 4 * LIMIT_SECONDS  # so a statement a table would have shown
    assert len(writer.delays) > 20
    assert max(writer.delays) <= LIMIT_SECONDS + 0.5
    source: Any = lab.source
    version = str(source.server_version)
    prepared = list_session_statements(version, LIMIT_SECONDS)
    for statement, took in sent:
        assert took <= LIMIT_SECONDS + 0.1, statement[:200]
        if statement not in prepared:
            check_statement(statement)
    # What is recorded is what the server saw.
    source_usage = summary.source_usage
    assert source_usage.statements == pytest.approx(len(sent), abs=2)
    assert source_usage.rows >= 2 * ROWS
    assert source_usage.bytes > 2 * ROWS * 600
    assert 0 < source_usage.longest_seconds <= LIMIT_SECONDS + 0.5
    assert source_usage.longest_of in TABLES
    assert run_once(lab.settings, RunRequest(), listen=lambda event: None).is_success
    assert_equal(lab, *TABLES)


def test_what_the_source_had_to_bear_is_recorded_and_shown(
    lab: Lab, run: Callable[..., RunSummary]
) -> None:
    make_tables(lab, rows=20)
    summary = run()
    source_usage = summary.source_usage
    recorded = lab.analytics.execute(
        "SELECT source_statements, source_seconds, source_rows, source_bytes, "
        "source_longest_seconds, source_longest_of, source_waited_seconds FROM etl.run"
    ).fetchone()
    assert recorded == (
        source_usage.statements,
        source_usage.seconds,
        source_usage.rows,
        source_usage.bytes,
        source_usage.longest_seconds,
        source_usage.longest_of or None,
        0.0,
    )
    assert f"  source {source_usage.statements} statements, " in run_screen(summary)
    assert json.loads(run_json(summary))["source"]["rows"] == source_usage.rows


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_a_chunk_over_the_limit_is_cut_and_tried_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """The first statement asks for everything, and the server ends it."""
    monkeypatch.setattr(pages, "FIRST_PART", 1)
    monkeypatch.setattr(pages, "FIRST_WAIT_SECONDS", 0.02)
    # A chunk of 50,000 small rows takes a server some 30 ms; no time is asked of one as such.
    make_tables(lab, engine=engine, rows=100_000, width=40)
    ended = []

    def is_ended(error: BaseException) -> bool:
        ended.append(is_too_long(error))
        return ended[-1]

    monkeypatch.setattr(pages, "is_too_long", is_ended)
    table = {"max_seconds_per_statement": 0.01}
    settings = lab.settings_with(tables={"tables": {"note": table, "code": table}})
    with logging_statements(lab) as read_log:
        summary = run_once(settings, RunRequest(), listen=lambda event: None)
        sent = read_log()
    assert summary.is_success, summary.failed
    assert_equal(lab, *TABLES)
    reads = [
        took for statement, took in sent if statement.startswith("SELECT `k`, `words` FROM `code`")
    ]
    assert any(ended)
    assert len(reads) > 1
    assert max(reads) <= 0.5
    # The limit is that of these tables, and of no other statement.
    limited = [s for s, _ in sent if s.startswith("SET SESSION m")]
    assert limited.count(limited[0]) == limited.count(limited[1])


def test_a_table_without_a_key_is_one_statement_of_its_own_limit(lab: Lab, slow_line: Lab) -> None:
    make_table(
        lab.source,
        "CREATE TABLE loose (k int, words text) ENGINE=MyISAM",
        f"INSERT INTO loose SELECT seq, repeat('x', 600) FROM {numbers(ROWS)}",
    )
    summary = run_once(
        slow_line.settings_with(pipeline=source_of()), RunRequest(), listen=lambda event: None
    )
    (failed,) = summary.failed
    assert failed.error == (
        "reading it takes longer than 0.25 s at the source, and it cannot be read in pieces: "
        "it has no key"
    )
    assert "loose: {max_seconds_per_statement: 60}" in (failed.fix or "")
    tables = {"tables": {"loose": {"max_seconds_per_statement": 60}}}
    settings = slow_line.settings_with(pipeline=source_of(), tables=tables)
    assert run_once(settings, RunRequest(), listen=lambda event: None).is_success
    assert_equal(lab, "loose")


def test_a_lock_that_lasts_longer_than_the_limit_is_waited_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FIRST_WAIT_SECONDS", 0.05)
    make_tables(lab, rows=100)
    database = lab.env["TEST_OPENDENTAL_SOURCE_DB"]
    with closing(connect_mysql(lab.servers.source, database)) as other:
        run_sql(other, "LOCK TABLES code WRITE")
        timer = threading.Timer(1.2, run_sql, [other, "UNLOCK TABLES"])
        timer.start()
        settings = lab.settings_with(pipeline=source_of())
        summary = run_once(settings, RunRequest(), listen=lambda event: None)
        timer.join()
    assert summary.is_success, summary.failed
    assert summary.seconds > 1
    assert_equal(lab, *TABLES)


def test_a_lock_that_does_not_end_fails_the_table_and_no_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(pages, "MOST_EMPTY", 2)
    make_tables(lab, rows=100)
    database = lab.env["TEST_OPENDENTAL_SOURCE_DB"]
    with closing(connect_mysql(lab.servers.source, database)) as other:
        run_sql(other, "LOCK TABLES code WRITE")
        settings = lab.settings_with(pipeline=source_of())
        (failed,) = run_once(settings, RunRequest(), listen=lambda event: None).failed
    assert (failed.table, failed.error) == (
        "code",
        "2 times in a row, no row came within 0.25 s of the source",
    )
    assert_equal(lab, "note")


def test_a_reader_that_stalls_lets_go_of_a_table(lab: Lab) -> None:
    """The server does not look at the time while it waits for a client."""
    make_tables(lab, rows=8_000, width=2_000)
    engine = ConnectionFactory.get_source_connection(lab.settings_with(pipeline=source_of(1)))
    reader: Any = engine.raw_connection().driver_connection
    began = time.monotonic()
    reader._execute_command(COMMAND.COM_QUERY, "SELECT * FROM note")
    time.sleep(0.3)  # until the server has begun to send
    run_sql(lab.source, "UPDATE note SET words = 'written' WHERE k = 1")
    assert 0.8 < time.monotonic() - began < 2.5
    reader._force_close()
    engine.dispose()


# --- a server that has other work -----------------------------------------------------------------


@contextlib.contextmanager
def busy_for(lab: Lab, seconds: float, threads: int) -> Iterator[None]:
    """Others keep the source's threads at work for a while."""

    def work() -> None:
        with closing(connect_mysql(lab.servers.source)) as other, other.cursor() as cursor:
            cursor.execute("SELECT SLEEP(%s)", (seconds,))

    at_work = [threading.Thread(target=work) for _ in range(threads)]
    for thread in at_work:
        thread.start()
    time.sleep(0.2)
    try:
        yield
    finally:
        for thread in at_work:
            thread.join()


def test_a_run_holds_back_while_others_are_at_work(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    make_tables(lab, rows=100)
    settings = lab.settings_with(pipeline=source_of(2, max_threads_running=6))
    with busy_for(lab, 1.5, threads=8):
        summary = run_once(settings, RunRequest(), listen=lambda event: None)
    assert summary.is_success
    assert summary.source_usage.waited_seconds >= 1
    words = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert [w.split(" (")[0] for w in words if w.startswith("source: ")] == ["source: busy"]
    assert "because it was busy" in run_screen(summary)
    assert_equal(lab, *TABLES)


def test_a_run_and_a_comparison_take_no_more_connections_than_they_may(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 500)
    for number in range(6):
        make_table(
            lab.source,
            f"CREATE TABLE t{number} (k int PRIMARY KEY, words text)",
            f"INSERT INTO t{number} SELECT seq, repeat('x', 500) FROM {numbers(2_000)}",
        )
    pipeline = source_of(2) | {"general": {"parallel_tables": 6}}
    settings = lab.settings_with(pipeline=pipeline)
    seen: list[int] = []
    ends = threading.Event()

    def watch() -> None:
        with closing(connect_mysql(lab.servers.source)) as admin, admin.cursor() as cursor:
            while not ends.wait(0.003):
                cursor.execute(
                    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s",
                    (lab.env["TEST_OPENDENTAL_SOURCE_USER"],),
                )
                seen.append(int(cursor.fetchone()[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert run_once(settings, RunRequest(), listen=lambda event: None).is_success
        in_run, seen = seen, []
        assert verify_once(settings, [], VerifyScope(), listen=lambda event: None).is_success
    finally:
        ends.set()
        watcher.join()
    assert (max(in_run), max(seen)) == (2, 2)


# --- the window -----------------------------------------------------------------------------------

IN_WINDOW = datetime(2024, 6, 28, 5, 59, tzinfo=UTC)
AFTER_WINDOW = datetime(2024, 6, 28, 6, 0, tzinfo=UTC)
WINDOW = {
    "source": {"window": "21:00-06:00 UTC", "connections": 1},
    "general": {"parallel_tables": 1},
}


def test_outside_of_the_window_the_source_is_not_even_connected_to(lab: Lab) -> None:
    make_tables(lab, rows=10)
    settings = lab.settings_with(pipeline=WINDOW)
    nowhere = replace(lab, env={**lab.env, "TEST_OPENDENTAL_SOURCE_PORT": "1"})
    for one in (settings, nowhere.settings_with(pipeline=WINDOW)):
        with pytest.raises(SourceClosedError) as caught:
            run_once(one, RunRequest(), listen=lambda event: None, now=lambda: AFTER_WINDOW)
        assert str(caught.value) == (
            "pipeline.yml: source.window: outside of the source's window (21:00-06:00 UTC) nothing "
            "is read of it\n  fix: etl run within the window, or etl run --outside-window"
        )
        assert caught.value.exit_code == 1
    summary = run_once(
        settings,
        RunRequest(outside_window=True),
        listen=lambda event: None,
        now=lambda: AFTER_WINDOW,
    )
    assert summary.is_success


def test_a_run_that_goes_on_past_the_window_stops_after_the_chunk(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 100)
    make_tables(lab, rows=1_000)
    settings = lab.settings_with(pipeline=WINDOW)
    assert run_once(
        settings, RunRequest(), listen=lambda event: None, now=lambda: IN_WINDOW
    ).is_success
    run_sql(lab.source, "UPDATE note SET words = 'new'", "UPDATE code SET words = 'new'")
    now = [IN_WINDOW]

    def close_after_third(event: Any) -> None:
        if isinstance(event, ChunkDone) and (event.table, event.hop) == ("note", "replicate"):
            seen.append(event)
            if len(seen) == 3:
                now[0] = AFTER_WINDOW

    seen: list[ChunkDone] = []
    summary = run_once(
        settings, RunRequest(["note", "code"]), listen=close_after_third, now=lambda: now[0]
    )
    by_table = {outcome.table: outcome for outcome in summary.failed}
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT MAX(k) + 1 FROM note WHERE words = 'new'")
        (first_left,) = cursor.fetchone()
    assert by_table["note"].error == (
        f"the source's window (21:00-06:00 UTC) has ended; stopped before key {first_left}"
    )
    assert first_left < 1_000
    assert by_table["note"].fix == "etl run note    within it, or with --outside-window"
    if "code" in by_table:
        assert (by_table["code"].error or "").endswith("has ended; not begun")
    rows = lab.analytics.execute("SELECT outcome FROM etl.run ORDER BY run_id").fetchall()
    assert rows == [("succeeded",), ("stopped",)]
    assert run_once(
        settings, RunRequest(), listen=lambda event: None, now=lambda: IN_WINDOW
    ).is_success
    assert_equal(lab, *TABLES)


def test_the_guard_still_stands_in_front_of_all(lab: Lab) -> None:
    """What sets a session up is not open to others."""
    engine = ConnectionFactory.get_source_connection(lab.settings)
    with engine.connect() as connection:
        words = "max_statement_time" if is_mariadb(lab.source) else "max_execution_time"
        with pytest.raises(StatementRefusedError):
            connection.exec_driver_sql(f"SET SESSION {words}=60, net_write_timeout=60")
    engine.dispose()
