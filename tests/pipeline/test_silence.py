"""A server or a line that falls silent ends in an error, at whatever moment; work does not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from etl_pipeline.core import liveness
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.errors import DatabaseError, EtlError
from etl_pipeline.pipeline.events import ChunkDone, RunStarted, TableStarted
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab
from tests.freezing import freezing
from tests.proxied import proxied
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql
from tests.transfer.proxy import Proxy

DATABASES = ("source", "replication", "analytics")
SHORT = {
    "connections": {name: {"connect_timeout": 1} for name in DATABASES},
    "general": {"parallel_tables": 2},
}
ROWS = 30_000
MOST_SECONDS = 30.0
"""With a second where the program has ten; of the program's own times the sum is two minutes."""


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of the program, a tenth of them and less."""
    monkeypatch.setattr(liveness, "SILENCE_SECONDS", 2.0)
    monkeypatch.setattr(liveness, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(liveness, "PROBE_SECONDS", 1.0)
    monkeypatch.setattr(liveness, "CONFIRM_SECONDS", 0.5)


@pytest.fixture
def tables(lab: Lab) -> Lab:
    """Six tables, one of which takes a while."""
    for name, rows in (("big", ROWS), *((f"small{n}", 10) for n in range(5))):
        make_table(
            lab.source,
            f"CREATE TABLE {name} (k int NOT NULL PRIMARY KEY, words varchar(200))",
            f"INSERT INTO {name} SELECT seq, repeat(md5(seq), 6) FROM {numbers(rows)}",
        )
    return lab


MOMENTS: dict[str, Callable[[Any], bool]] = {
    "the plan is made": lambda event: isinstance(event, RunStarted),
    "a table is begun": lambda event: isinstance(event, TableStarted),
    "a chunk is in replication": lambda event: (
        isinstance(event, ChunkDone) and event.hop == "replicate"
    ),
    "a chunk is in raw": lambda event: isinstance(event, ChunkDone) and event.hop == "load",
}


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("moment", ["before it begins", *MOMENTS])
def test_a_frozen_server_ends_a_run_soon_and_the_next_one_ends_equal(
    tables: Lab, name: str, moment: str, request: pytest.FixtureRequest
) -> None:
    _refuse_foreign_servers(request, name)
    _leave_to_long(request, moment not in ("before it begins", "a chunk is in replication"))
    settings = tables.settings_with(pipeline=SHORT)
    with freezing(tables, name) as freezer:

        def listen(event: Any) -> None:
            if MOMENTS[moment](event):
                freezer.freeze()

        if moment not in MOMENTS:
            freezer.freeze()
        seconds, words = _run_into_silence(settings, listen if moment in MOMENTS else _ignore)
    if moment != "a chunk is in raw":  # then the source may have given all that it was asked for
        assert freezer.was_frozen
        assert words
    assert seconds < MOST_SECONDS
    assert all("silent" in word or "does not answer" in word for word in words), words
    _ends_equal(tables, settings)


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("packets", [1, 3, 8, 20, 60])
def test_a_line_that_goes_dark_ends_a_run_soon(
    tables: Lab, name: str, packets: int, request: pytest.FixtureRequest
) -> None:
    """The server is well; what it sends to us does not come."""
    _leave_to_long(request, packets not in (3, 60))
    with proxied(tables, name) as proxy:
        settings = tables.settings_with(pipeline=SHORT)
        _go_dark_after(proxy, packets)
        seconds, words = _run_into_silence(settings, _ignore)
        assert proxy.is_dark
        assert words
        assert seconds < MOST_SECONDS
    _ends_equal(tables, tables.settings_with(pipeline=SHORT))


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("name", DATABASES)
def test_a_frozen_server_ends_a_comparison_soon(
    tables: Lab, name: str, request: pytest.FixtureRequest
) -> None:
    _refuse_foreign_servers(request, name)
    _leave_to_long(request, name == "source")
    settings = tables.settings_with(pipeline=SHORT)
    assert run_once(settings, RunRequest(), listen=_ignore).is_success
    with freezing(tables, name) as freezer:
        began = time.monotonic()
        with contextlib.suppress(DatabaseError):
            summary = verify_once(
                settings, [], VerifyScope(deep=True), listen=lambda _event: freezer.freeze()
            )
            assert not summary.is_success
        assert time.monotonic() - began < MOST_SECONDS
    assert verify_once(settings, [], VerifyScope(deep=True), listen=_ignore).is_success


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("name", DATABASES)
def test_a_statement_that_takes_long_is_no_silence(lab: Lab, name: str) -> None:
    """Three times as long as nothing may come of a server that is not at work."""
    with ExitStack() as stack:
        engine = _engine(lab, name)
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.connect())
        sleep = "SELECT pg_sleep(6)" if name == "analytics" else "SELECT SLEEP(6)"
        if name == "source":
            with lab.source.cursor() as cursor:  # the guard lets no SLEEP through: a lock waits
                cursor.execute("CREATE TABLE held (k int)")
                cursor.execute("LOCK TABLES held WRITE")
            sleep = "SELECT * FROM held"
            stack.callback(lambda: run_sql(lab.source, "UNLOCK TABLES"))
        began = time.monotonic()
        if name == "source":
            with pytest.raises(Exception, match=r"1969|3024"):
                connection.exec_driver_sql(sleep)
        else:
            connection.exec_driver_sql(sleep)
        assert time.monotonic() - began > 5.5


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("name", DATABASES)
def test_an_answer_that_is_lost_on_its_way_ends_the_wait(lab: Lab, name: str) -> None:
    """The server is well, and tells whoever asks that it has done its work."""
    with proxied(lab, name) as proxy, ExitStack() as stack:
        engine = _engine(lab, name)
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.connect())
        is_next = iter([True])
        proxy.to_client = lambda data: b"" if next(is_next, False) else data
        began = time.monotonic()
        with pytest.raises(DBAPIError) as error:
            connection.exec_driver_sql("SELECT 1")
        assert time.monotonic() - began < 6
    assert "silent" in explain(error.value, name).what


def _engine(lab: Lab, name: str) -> Any:
    from etl_pipeline.core import ConnectionFactory

    settings = lab.settings_with(pipeline={"source": {"max_seconds_per_statement": 6}})
    if name == "source":
        return ConnectionFactory.get_source_connection(settings)
    if name == "replication":
        return ConnectionFactory.get_replication_connection(settings)
    return ConnectionFactory.get_analytics_connection(settings)


def _run_into_silence(settings: Any, listen: Callable[[Any], None]) -> tuple[float, list[str]]:
    """How long a run took, and what it said of its failures."""
    began = time.monotonic()
    try:
        summary: RunSummary = run_once(settings, RunRequest(), listen=listen)
        words = [one.error for one in summary.outcomes if one.error]
    except EtlError as error:
        words = [str(error)]
    return time.monotonic() - began, words


def _ends_equal(lab: Lab, settings: Any) -> None:
    # A run that was silent itself may have left its lock in PostgreSQL for a moment.
    summary = run_once(settings, RunRequest(), listen=_ignore)
    assert summary.is_success, [one.error for one in summary.outcomes]
    for table in ("big", "small0"):
        rows = read_mysql(lab.source, table)
        assert read_mysql(lab.replication, table) == rows
        assert read_postgres(lab.analytics, table) == rows


def _go_dark_after(proxy: Proxy, packets: int) -> None:
    left = iter(range(packets))

    def pass_on(data: bytes) -> bytes:
        if next(left, None) is None:
            proxy.is_dark = True
            return b""
        return data

    proxy.to_client = pass_on


def _ignore(_event: Any) -> None:
    pass


def _leave_to_long(request: pytest.FixtureRequest, is_one_of_many: bool) -> None:
    if is_one_of_many and not request.config.getoption("--long"):
        pytest.skip("one of many moments: make test-long")


def _refuse_foreign_servers(request: pytest.FixtureRequest, name: str) -> None:
    option = "--postgres-url" if name == "analytics" else "--mysql-url"
    if request.config.getoption(option):
        pytest.skip("the server is not the tests' own to freeze")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", DATABASES)
def test_a_stop_ends_the_process_in_5_seconds_whatever_servers_do(
    tables: Lab, name: str, number: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    _refuse_foreign_servers(request, name)
    _leave_to_long(request, number == signal.SIGINT and name != "analytics")
    config = tables.write_config(tmp_path)
    env = {**os.environ, "ETL_ENVIRONMENT": "test", "ETL_CONFIG_DIR": str(config)}
    command = [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()", "run"]
    with (
        freezing(tables, name) as freezer,
        subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        process.stderr.readline()  # a table is done, or it is said what is noticed
        freezer.freeze()
        time.sleep(1)
        process.send_signal(number)
        began = time.monotonic()
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - began < 5.5
    assert process.returncode == 130, errors
    assert "stopped" in errors
    assert "Traceback" not in errors
    _ends_equal(tables, tables.settings)


@pytest.mark.parametrize(
    "words", ["status", "history", "show 1", "plan", "doctor", "verify", "transform"]
)
def test_a_stop_ends_a_command_that_only_reads_in_5_seconds(
    lab: Lab, words: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It waits for a server that takes connections and says nothing, for ten times as long."""
    _refuse_foreign_servers(request, "analytics")
    _leave_to_long(request, words not in ("status", "history"))
    make_table(lab.source, "CREATE TABLE small (k int PRIMARY KEY)")
    pipeline = {"connections": {"analytics": {"connect_timeout": 50}}}
    config = lab.write_config(tmp_path, pipeline=pipeline)
    env = {**os.environ, "ETL_ENVIRONMENT": "test", "ETL_CONFIG_DIR": str(config)}
    code = "from etl_pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", code, *words.split()]
    port = lab.env["TEST_POSTGRES_ANALYTICS_PORT"]
    with (
        freezing(lab, "analytics") as freezer,
        subprocess.Popen(
            command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        freezer.freeze()
        _wait_for_connection(process, int(port))
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - began < 5.5
    assert process.returncode == 130, errors
    assert "stopped" in errors
    assert "run again: that ends" not in errors or words == "transform"


def _wait_for_connection(process: subprocess.Popen[str], port: int) -> None:
    """Wait until *process* has connected to *port*."""
    for _ in range(300):
        for entry in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
            _, _, remote, state, *_, inode = entry.split()[:10]
            is_ours = remote.endswith(f":{port:04X}") and state == "01"
            if is_ours and _has_socket(process.pid, inode):
                return
        assert process.poll() is None, "it ended before it had connected"
        time.sleep(0.1)
    raise AssertionError("it never connected")


def _has_socket(pid: int, inode: str) -> bool:
    with contextlib.suppress(OSError):
        for entry in (Path("/proc") / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(entry.readlink()) == f"socket:[{inode}]":
                    return True
    return False
