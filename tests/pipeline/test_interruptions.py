"""Servers that fail in the middle of a table: retried and equal, or failed with words.

Faults are real: sessions are killed, and triggers raise a server's own errors, in the pause
between two chunks that an event of the run announces.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pymysql
import pytest

from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.load import copy_chunks
from etl_pipeline.pipeline import table_worker
from etl_pipeline.pipeline.events import ChunkDone, TableFinished, TableRetried
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import chunking, full_table, pages
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import select_chunk
from tests.conftest import Lab
from tests.rows import make_table, read_mysql, read_postgres, run_sql
from tests.transfer.conftest import read_table_text

NOTES = "CREATE TABLE note (k int PRIMARY KEY, words varchar(50)) ENGINE={engine}"
OTHER = "CREATE TABLE other (k int PRIMARY KEY)"
ROWS = 500
Deed = Callable[[], None]


@pytest.fixture
def notes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of five chunks, and one that nothing happens to."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", ROWS // 5)
    monkeypatch.setattr(table_worker, "FIRST_WAIT_SECONDS", 0.05)
    rows = ", ".join(f"({n}, 'note {n}')" for n in range(ROWS))
    make_table(lab.source, NOTES.format(engine="InnoDB"), f"INSERT INTO note VALUES {rows}")
    make_table(lab.source, OTHER, "INSERT INTO other VALUES (1), (2)")
    return lab


def run_with(lab: Lab, hop: str, deed: Deed, chunk: int = 2) -> tuple[RunSummary, list[str]]:
    """Run, do *deed* after the note's *chunk* in *hop*, once; the summary and what was retried."""
    seen = 0
    retried: list[str] = []

    def listen(event: Any) -> None:
        nonlocal seen
        if isinstance(event, TableRetried):
            retried.append(event.reason)
        if isinstance(event, ChunkDone) and (event.table, event.hop) == ("note", hop):
            seen += 1
            if seen == chunk:
                deed()

    return run_once(lab.settings, RunRequest(), listen=listen), retried


def assert_equal(lab: Lab) -> None:
    for table in ("note", "other"):
        expected = read_mysql(lab.source, table)
        assert expected
        assert read_mysql(lab.replication, table) == expected
        assert read_postgres(lab.analytics, table) == expected


def kill_sessions(lab: Lab, connection: Any, prefix: str) -> None:
    """Kill the pipeline's sessions at a MySQL server."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE user = %s",
            (lab.env[f"{prefix}_USER"],),
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


def before_third(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, deed: Deed) -> None:
    """Have *deed* done right before *module* calls *name* for the note's third chunk, once."""
    call = getattr(module, name)
    calls = 0

    def call_and_count(*args: Any, **options: Any) -> Any:
        nonlocal calls
        if "note" in f"{args}":
            calls += 1
            if calls == 3:
                deed()
        return call(*args, **options)

    monkeypatch.setattr(module, name, call_and_count)


@pytest.mark.parametrize("hop", [full_table, copy_chunks], ids=["replicate", "load"])
def test_replication_sessions_killed_in_the_middle_are_retried(
    notes: Lab, monkeypatch: pytest.MonkeyPatch, hop: Any
) -> None:
    deed = lambda: kill_sessions(notes, notes.replication, "TEST_MYSQL_REPLICATION")  # noqa: E731
    before_third(monkeypatch, hop, "write_rows" if hop is full_table else "read_text", deed)
    summary, retried = run_with(notes, "load", lambda: None)
    assert retried
    lost = {f"the connection was lost ({n})" for n in (0, 2006, 2013, 1927)}
    assert {words.rpartition(": ")[2] for words in retried} <= lost
    assert summary.is_success, summary.failed
    assert_equal(notes)


def test_source_sessions_killed_in_the_middle_are_retried(
    notes: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    deed = lambda: kill_sessions(notes, notes.source, "TEST_OPENDENTAL_SOURCE")  # noqa: E731
    before_third(monkeypatch, pages, "read_certainly", deed)
    summary, retried = run_with(notes, "replicate", lambda: None)
    assert retried
    assert summary.is_success, summary.failed
    assert_equal(notes)


def test_a_postgres_session_ended_in_the_second_hop_is_retried(notes: Lab) -> None:
    def terminate() -> None:
        ended = notes.analytics.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle in transaction'"
        ).fetchall()
        assert ended

    summary, retried = run_with(notes, "load", terminate)
    # The other table may have been in a transaction of its own, and hear of it as it writes.
    assert retried
    assert {words.rpartition(": ")[2] for words in retried} <= {
        "the connection was lost (57P01)",
        "the connection was lost",
    }
    assert summary.is_success, summary.failed
    assert_equal(notes)


def test_a_full_disk_at_the_warehouse_fails_the_table_by_its_code(notes: Lab) -> None:
    assert run_with(notes, "load", lambda: None)[0].is_success
    before = read_postgres(notes.analytics, "note")
    proofs = notes.analytics.execute("SELECT * FROM etl.chunk WHERE table_name = 'note'").fetchall()
    run_sql(
        notes.source,
        "INSERT INTO note VALUES (1000, 'new'), (1001, 'newer')",
        "DELETE FROM note WHERE k < 100",
        "INSERT INTO other VALUES (3)",
    )
    notes.analytics.execute(
        "CREATE FUNCTION public.fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.k = 1001 THEN RAISE 'Muster' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$"
    )
    notes.analytics.execute(
        "CREATE TRIGGER fill_disk BEFORE INSERT ON raw.note "
        "FOR EACH ROW EXECUTE FUNCTION public.fill_disk()"
    )
    summary, retried = run_with(notes, "load", lambda: None)
    (failed,) = summary.failed
    assert failed.table == "note"
    assert str(failed.error).endswith(": the server's disk is full (53100)")
    assert failed.fix == "free space on the server"
    assert not retried
    assert read_postgres(notes.analytics, "note") == before
    assert (
        proofs
        == notes.analytics.execute("SELECT * FROM etl.chunk WHERE table_name = 'note'").fetchall()
    )
    assert read_postgres(notes.analytics, "other") == read_mysql(notes.source, "other")
    notes.analytics.execute("DROP TRIGGER fill_disk ON raw.note")
    assert run_with(notes, "load", lambda: None)[0].is_success
    assert_equal(notes)


def test_a_full_disk_at_replication_fails_the_table_by_its_code(notes: Lab) -> None:
    assert run_with(notes, "load", lambda: None)[0].is_success
    before = read_mysql(notes.replication, "note")
    in_raw = read_postgres(notes.analytics, "note")
    run_sql(notes.source, "UPDATE note SET words = 'new'", "INSERT INTO other VALUES (3)")

    run_sql(
        notes.replication,
        "CREATE TRIGGER full BEFORE INSERT ON note FOR EACH ROW BEGIN "
        "IF NEW.k = 250 THEN SIGNAL SQLSTATE 'HY000' "
        "SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'Muster'; END IF; END",
    )
    summary, retried = run_with(notes, "load", lambda: None)
    (failed,) = summary.failed
    assert failed.table == "note"
    assert str(failed.error).endswith(": the server's disk is full (1114)")
    assert not retried
    after = read_mysql(notes.replication, "note")
    # A chunk is written as a whole or not at all.
    assert {row for row in after if 200 <= int(row[0]) < 300} <= set(before)
    assert read_postgres(notes.analytics, "note") == in_raw
    run_sql(notes.replication, "DROP TRIGGER full")
    assert read_postgres(notes.analytics, "other") == read_mysql(notes.source, "other")
    assert run_with(notes, "load", lambda: None)[0].is_success
    assert_equal(notes)


def test_rows_that_others_changed_in_the_replica_are_not_taken_for_the_sources(notes: Lab) -> None:
    def change() -> None:
        run_sql(notes.replication, "UPDATE _etl_incoming_note SET words = 'forged' WHERE k = 450")

    summary, retried = run_with(notes, "replicate", change, chunk=5)
    (failed,) = summary.failed
    assert failed.error == "the replica does not hold what the source sent"
    assert failed.fix == "etl run note"
    assert not retried
    assert notes.analytics.execute("SELECT to_regclass('raw.note')").fetchone() == (None,)
    assert run_with(notes, "load", lambda: None)[0].is_success
    assert_equal(notes)


# --- a MyISAM source and a slow sink --------------------------------------------------------------

WIDE_ROWS = 8_000
WIDE_BYTES = 2_000
"""16 MB a table: more than the buffers of the sockets between server and program hold."""


@pytest.fixture
def myisam(lab: Lab) -> Lab:
    """A table of MyISAM whose rows are locked for as long as a result of it is being sent."""
    rows = ", ".join(f"({n})" for n in range(WIDE_ROWS))
    make_table(
        lab.source,
        "CREATE TABLE note (k int PRIMARY KEY, words text) ENGINE=MyISAM",
        f"INSERT INTO note (k) VALUES {rows}",
        f"UPDATE note SET words = REPEAT('x', {WIDE_BYTES})",
    )
    return lab


def try_to_write(lab: Lab) -> bool:
    """Whether somebody at the source can change a row now, waiting a second at most."""
    database = lab.env["TEST_OPENDENTAL_SOURCE_DB"]
    with closing(connect_mysql(lab.servers.source, database)) as other, other.cursor() as cursor:
        cursor.execute("SET SESSION lock_wait_timeout = 1")
        try:
            cursor.execute("UPDATE note SET words = 'written' WHERE k = 1")
        except pymysql.err.OperationalError as error:
            if error.args[0] != pymysql.constants.ER.LOCK_WAIT_TIMEOUT:
                raise
            return False
    return True


def test_an_unread_result_of_myisam_keeps_writers_out(myisam: Lab) -> None:
    """The trap itself: without it the next test would show nothing."""
    text = read_table_text(myisam.source, "note")
    blocks = read_text(myisam.source, select_chunk(text, Chunk(0)), text.modes)
    next(blocks)
    assert not try_to_write(myisam)
    blocks.close()  # type: ignore[attr-defined]


def test_a_slow_sink_keeps_nobody_from_writing_at_a_myisam_source(
    myisam: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first chunk is a row, the second all the rest: more than any buffer holds.
    halves = [Chunk(0, None, 1), Chunk(1, 1, None)]
    monkeypatch.setattr(full_table, "plan_chunks", lambda text, ask, most: halves)
    locked = connect_mysql(myisam.servers.replication, myisam.env["TEST_MYSQL_REPLICATION_DB"])
    finished: list[Any] = []
    is_locked = threading.Event()

    def listen(event: Any) -> None:
        if isinstance(event, ChunkDone) and event.hop == "replicate" and not is_locked.is_set():
            run_sql(locked, "LOCK TABLES _etl_incoming_note WRITE")
            is_locked.set()
        if isinstance(event, TableFinished):
            finished.append(event)

    thread = threading.Thread(target=lambda: run_once(myisam.settings, RunRequest(), listen=listen))
    thread.start()
    try:
        assert is_locked.wait(20)
        deadline = time.monotonic() + 20
        while not is_waiting_for_the_lock(myisam):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert try_to_write(myisam)
        assert is_waiting_for_the_lock(myisam)
        assert not finished
    finally:
        locked.close()
        thread.join(60)
    (event,) = finished
    assert event.problem is None
    assert event.rows == WIDE_ROWS


def is_waiting_for_the_lock(lab: Lab) -> bool:
    with lab.replication.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s "
            "AND (info LIKE 'LOAD DATA%%' OR info LIKE 'INSERT%%') "
            "AND state LIKE 'Waiting for table%%'",
            (lab.env["TEST_MYSQL_REPLICATION_USER"],),
        )
        return bool(cursor.fetchone()[0])
