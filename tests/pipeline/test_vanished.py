"""A client that is gone leaves no lock that stops the next run; a lock of others is named."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest

from etl_pipeline.core import connect_args, connections
from etl_pipeline.demo.server_databases import connect_mysql, connect_postgres
from etl_pipeline.demo.server_record import Endpoint
from etl_pipeline.errors import DatabaseError
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab, open_lab
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql
from tests.transfer.proxy import Proxy, proxy_to

SECONDS = 25.0
"""Well below the time for which a lock is waited for."""


@pytest.fixture
def table(lab: Lab) -> Lab:
    make_table(
        lab.source,
        "CREATE TABLE big (k int NOT NULL PRIMARY KEY, words varchar(200))",
        f"INSERT INTO big SELECT seq, repeat(md5(seq), 6) FROM {numbers(20_000)}",
    )
    return lab


def ignore(_event: Any) -> None:
    pass


FAMILIES = {"replication": "TEST_MYSQL_REPLICATION", "analytics": "TEST_POSTGRES_ANALYTICS"}


class Vanisher:
    """Holds a line when a client's COMMIT would end its *count*th transaction that has locks."""

    def __init__(self, lab: Lab, name: str, proxy: Proxy, count: int) -> None:
        self._count, self._lock, self._proxy = count, threading.Lock(), proxy
        self._find = _find_loading if name == "analytics" else _find_writing
        self._lab = lab
        self.has_vanished = threading.Event()

    def __call__(self, data: bytes) -> bytes:
        with self._lock:
            if self.has_vanished.is_set():
                return b""
            if b"COMMIT" in data and self.find_open():
                self._count -= 1
            if self._count <= 0:
                self.has_vanished.set()
                self._proxy.hold()
                return b""
        return data

    def find_open(self) -> list[int]:
        """The sessions of the pipeline's user with a transaction that has locks."""
        return self._find(self._lab)


def _find_writing(lab: Lab) -> list[int]:
    time.sleep(0.15)  # InnoDB shows again what it showed a tenth of a second before
    with closing(connect_mysql(lab.servers.replication)) as admin, admin.cursor() as cursor:
        cursor.execute(
            "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx t "
            "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
            "WHERE p.user = %s AND trx_rows_modified > 0",
            (lab.env["TEST_MYSQL_REPLICATION_USER"],),
        )
        return [session for (session,) in cursor.fetchall()]


def _find_loading(lab: Lab) -> list[int]:
    database = lab.env["TEST_POSTGRES_ANALYTICS_DB"]
    with closing(connect_postgres(lab.servers.analytics, database)) as admin:
        found = admin.execute(
            "SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
            "WHERE l.mode = 'RowShareLock' AND c.relname = 'run'"
        )
        return [session for (session,) in found]


@contextlib.contextmanager
def vanished_run(
    lab: Lab, folder: Path, count: int, name: str = "replication"
) -> Iterator[list[int]]:
    """The sessions with locks of a run that was killed behind a dark line to the *name* server."""
    server = getattr(lab.servers, name)
    with proxy_to(server.host, server.port) as proxy:
        vanish = Vanisher(lab, name, proxy, count)
        proxy.to_server = vanish
        with running(lab, name, proxy, folder):
            assert vanish.has_vanished.wait(60)
        left = vanish.find_open()
        assert left, "no transaction was open"
        yield left


@contextlib.contextmanager
def running(lab: Lab, name: str, proxy: Proxy, folder: Path) -> Iterator[None]:
    """A run that reaches the *name* server by *proxy*; it is killed when the block ends."""
    env = {**lab.env, f"{FAMILIES[name]}_HOST": "127.0.0.1"}
    env[f"{FAMILIES[name]}_PORT"] = str(proxy.port)
    config = lab.write_config(folder)
    (config / ".env_test").write_text("".join(f"{k}={v}\n" for k, v in env.items()))
    code = "from etl_pipeline.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run"],
        env={**os.environ, "ETL_ENVIRONMENT": "test", "ETL_CONFIG_DIR": str(config)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


BEFORE_THE_LOCK = {"replication": b"FROM _etl_chunk", "analytics": b"FROM etl.table_schema"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_client_that_vanished_before_its_run_had_a_number_leaves_no_session(
    table: Lab, name: str, tmp_path: Path
) -> None:
    """It reads what is remembered, in a transaction that locks those tables against DDL."""
    settings = table.settings
    assert run_once(settings, RunRequest(), listen=ignore).is_success
    server = getattr(table.servers, name)
    with proxy_to(server.host, server.port) as proxy:
        has_vanished = threading.Event()

        def vanish(data: bytes) -> bytes:
            if BEFORE_THE_LOCK[name] in data:
                has_vanished.set()
                proxy.hold()
            return b"" if has_vanished.is_set() else data

        proxy.to_server = vanish
        with running(table, name, proxy, tmp_path):
            assert has_vanished.wait(60)
        left = find_sessions(table, name)
        assert left
        assert run_once(settings, RunRequest(), listen=ignore).is_success
        assert not set(left) & set(find_sessions(table, name))


# The sockets are closed without a word to the other end, as if the machine had lost its power.
VANISHING = """
import errno, os, socket
from etl_pipeline.cli.main import main
from etl_pipeline.core import connect_args
from etl_pipeline.state import runs

def vanish(*values, **options):
    for name in os.listdir("/proc/self/fd"):
        try:
            line = socket.socket(fileno=os.dup(int(name)))
            line.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except OSError as error:
            if error.errno == errno.EPERM:
                os._exit(77)
    os._exit(0)

TCP_REPAIR = 19
connect_args.SERVER_KEEPALIVE = connect_args.SERVER_KEEPALIVE.replace("idle=15", "idle=3")
runs.start_run = vanish
main()
"""


def test_a_client_that_vanished_with_the_lock_of_runs_holds_it_for_half_a_minute(
    table: Lab, tmp_path: Path
) -> None:
    """Nothing says whose lock it is: its run has no number yet. Here it is three seconds."""
    settings = table.settings
    config = table.write_config(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", VANISHING, "run"],
        env={**os.environ, "ETL_ENVIRONMENT": "test", "ETL_CONFIG_DIR": str(config)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if ended.returncode == 77:
        pytest.skip("to vanish takes CAP_NET_ADMIN")
    assert ended.returncode == 0
    assert is_locked(table)
    give_up = time.monotonic() + SECONDS
    while is_locked(table) and time.monotonic() < give_up:
        time.sleep(0.2)
    assert run_once(settings, RunRequest(), listen=ignore).is_success


def is_locked(lab: Lab) -> bool:
    """True while a session holds the lock of runs."""
    return bool(
        lab.analytics.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    )


def find_sessions(lab: Lab, name: str) -> list[int]:
    """The sessions of the pipeline's user at the *name* server."""
    user = lab.env[f"{FAMILIES[name]}_USER"]
    if name == "analytics":
        found = lab.analytics.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = %s", (user,)
        )
        return [session for (session,) in found]
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (user,))
        return [session for (session,) in cursor.fetchall()]


# A run that writes one chunk again has four such transactions; the last one writes nothing where
# the server's clock still says the same second.
@pytest.mark.parametrize(
    ("kind", "count"),
    [(kind, count) for kind, most in (("first", 4), ("again", 3)) for count in range(1, most + 1)],
)
def test_a_vanished_client_does_not_block_the_next_run(
    table: Lab, kind: str, count: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if count == 1 and not request.config.getoption("--long"):
        pytest.skip("one of many moments: make test-long")
    settings = table.settings
    if kind == "again":
        assert run_once(settings, RunRequest(), listen=ignore).is_success
        run_sql(table.source, "UPDATE big SET words = reverse(words) WHERE k < 5000")
    with vanished_run(table, tmp_path, count):
        began = time.monotonic()
        assert run_once(settings, RunRequest(), listen=ignore).is_success
        assert time.monotonic() - began < SECONDS
    rows = read_mysql(table.source, "big")
    assert read_mysql(table.replication, "big") == rows
    assert read_postgres(table.analytics, "big") == rows


def test_a_vanished_client_does_not_block_a_repair(table: Lab, tmp_path: Path) -> None:
    settings = table.settings
    assert run_once(settings, RunRequest(), listen=ignore).is_success
    run_sql(table.source, "UPDATE big SET words = reverse(words) WHERE k < 5000")
    with vanished_run(table, tmp_path, 2):
        run_sql(table.analytics, "UPDATE raw.big SET words = 'x' WHERE k = 9000")
        began = time.monotonic()
        summary = verify_once(settings, [], VerifyScope(deep=True, repair=True), listen=ignore)
        assert summary.results[0].repaired
        assert time.monotonic() - began < SECONDS


def test_a_vanished_loader_does_not_block_the_next_run(table: Lab, tmp_path: Path) -> None:
    """Of its sessions in the warehouse the one that held the lock of runs has ended."""
    settings = table.settings
    assert run_once(settings, RunRequest(), listen=ignore).is_success
    run_sql(table.source, "UPDATE big SET words = reverse(words) WHERE k < 5000")
    with vanished_run(table, tmp_path, 1, "analytics"):
        table.analytics.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' "
            "AND mode = 'ExclusiveLock' AND database = (SELECT oid FROM pg_database "
            "WHERE datname = current_database())"
        )
        began = time.monotonic()
        assert run_once(settings, RunRequest(), listen=ignore).is_success
        assert time.monotonic() - began < SECONDS
    assert read_postgres(table.analytics, "big") == read_mysql(table.source, "big")
    left = table.analytics.execute(
        "SELECT pid FROM pg_stat_activity WHERE usename = %s",
        (table.env["TEST_POSTGRES_ANALYTICS_USER"],),
    )
    assert left.fetchall() == []


def test_sessions_of_another_practice_on_the_same_server_go_on(table: Lab, tmp_path: Path) -> None:
    with open_lab(table.servers) as other:
        make_table(other.source, "CREATE TABLE small (k int PRIMARY KEY)")
        with vanished_run(table, tmp_path, 2) as left:
            assert run_once(other.settings, RunRequest(), listen=ignore).is_success
            with closing(connect_mysql(table.servers.replication)) as admin, admin.cursor() as c:
                c.execute("SHOW PROCESSLIST")
                assert set(left) <= {row[0] for row in c.fetchall()}
            assert run_once(table.settings, RunRequest(), listen=ignore).is_success


def test_a_comparison_under_way_is_not_ended_by_a_run(table: Lab) -> None:
    settings = table.settings
    assert run_once(settings, RunRequest(), listen=ignore).is_success
    done: list[bool] = []

    def run_beside(_event: Any) -> None:
        if not done:
            done.append(run_once(settings, RunRequest(), listen=ignore).is_success)

    assert verify_once(settings, [], VerifyScope(), listen=run_beside).is_success
    assert done == [True]


def test_a_lock_in_replication_names_who_holds_it(
    table: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PROCESS, and as the same user without it; without either it is said how to find out."""
    short = re.sub(r"lock_wait_timeout=\d+", "lock_wait_timeout=1", connections.REPLICATION_SESSION)
    monkeypatch.setattr(connections, "REPLICATION_SESSION", short)
    settings = table.settings
    assert run_once(settings, RunRequest(), listen=ignore).is_success
    user, server = table.env["TEST_MYSQL_REPLICATION_USER"], table.servers.replication
    database = table.env["TEST_MYSQL_REPLICATION_DB"]
    with closing(somebody(server, database)) as holder:
        session = hold_owner(holder)
        error = fail(settings)
        assert f"session {session}" not in error
        assert "(SHOW FULL PROCESSLIST)" in error
        assert "KILL n" in error
        run_sql(table.replication, f"GRANT PROCESS ON *.* TO `{user}`@`%`")
        error = fail(settings)
        assert f"session {session} of {server.user}@" in error
        assert "has had a transaction open for" in error
        assert f"at replication: let who that is commit, or end it there: KILL {session};" in error
        run_sql(table.replication, f"REVOKE PROCESS ON *.* FROM `{user}`@`%`")
    password = table.env["TEST_MYSQL_REPLICATION_PASSWORD"]
    login = Endpoint(server.host, server.port, user, password)
    with closing(somebody(login, database)) as holder:
        session = hold_owner(holder)
        error = fail(settings)
        assert f"session {session} of {user}@" in error
        assert f"KILL {session};" in error
        run_sql(table.replication, f"KILL {session}")
        assert run_once(settings, RunRequest(), listen=ignore).is_success


def somebody(server: Endpoint, database: str) -> Any:
    """A connection that is not known to be one of this process's."""
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password or "",
        database=database,
    )


def hold_owner(connection: Any) -> int:
    """Lock what each run takes first; the session's number."""
    with connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("SELECT * FROM _etl_lease FOR UPDATE")
    time.sleep(1.2)
    return int(connection.thread_id())


def fail(settings: Any) -> str:
    """What a run says that fails as a whole, or of its table."""
    try:
        summary = run_once(settings, RunRequest(), listen=ignore)
    except DatabaseError as error:
        return str(error)
    (outcome,) = summary.outcomes
    return f"{outcome.error}\n{outcome.fix}"


def test_a_lock_in_the_warehouse_names_who_holds_it(
    table: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = connect_args.SESSION_OPTIONS.replace("lock_timeout=600s", "lock_timeout=1s")
    monkeypatch.setattr(connect_args, "SESSION_OPTIONS", short)
    settings = table.settings
    assert run_once(settings, RunRequest(), listen=ignore).is_success
    run_sql(table.source, "UPDATE big SET words = 'x' WHERE k = 1")
    row = table.analytics.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    with table.analytics.transaction():
        table.analytics.execute("LOCK TABLE raw.big IN ACCESS EXCLUSIVE MODE")
        time.sleep(1.2)
        error = fail(settings)
    assert f"session {row[0]} of {table.servers.analytics.user}@" in error
    assert "at analytics: let who that is commit, or end it there" in error
    assert f"SELECT pg_terminate_backend({row[0]})" in error
    assert run_once(settings, RunRequest(), listen=ignore).is_success
