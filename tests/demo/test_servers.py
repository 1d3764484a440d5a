"""The launcher's promises: quick, private, durable, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl_pipeline.demo import server_processes, server_programs
from etl_pipeline.demo.server_databases import connect_mysql, connect_postgres
from etl_pipeline.demo.server_record import DATA_PARENT, MEMORY
from etl_pipeline.demo.server_start import known
from etl_pipeline.demo.servers import (
    data_folder,
    find_servers,
    remove_servers,
    running_servers,
    start_servers,
    stop_servers,
)
from etl_pipeline.errors import ConfigurationError, DatabaseError
from tests.conftest import servers_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MYSQL_ROLES = ("source", "replication")

HOLD_SERVERS = """
import sys, time
from pathlib import Path
from etl_pipeline.demo.servers import running_servers

with running_servers(Path(sys.argv[1]), stay=sys.argv[2] == "stay"):
    print("ready", flush=True)
    if sys.argv[3] == "wait":
        time.sleep(60)
"""


@pytest.fixture(scope="module")
def launcher(pytestconfig: pytest.Config) -> Path:
    """Where this module's servers are kept."""
    path = servers_folder(pytestconfig) / str(os.getpid()) / "launcher"
    path.mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def ready_made(launcher: Path) -> Iterator[Path]:
    """Servers that ran once and were stopped."""
    path = launcher / "ready_made"
    start_servers(path, stay=True)
    stop_servers(path)
    yield path
    remove_servers(path)


@pytest.fixture
def empty_folder(launcher: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder in which there never was a server; the servers' data has yet to be made."""
    path = launcher / tmp_path.name
    path.mkdir()
    yield path
    remove_servers(path)
    shutil.rmtree(path)


@pytest.fixture
def folder(ready_made: Path, empty_folder: Path) -> Path:
    """A folder whose servers ran before: a copy, which takes a tenth of the time."""
    shutil.copy(ready_made / "servers.json", empty_folder)
    subprocess.run(["cp", "-a", data_folder(ready_made), data_folder(empty_folder)], check=True)
    return empty_folder


def hold_servers(folder: Path, stay: str, then: str = "wait") -> subprocess.Popen[str]:
    """Start another Python that holds the servers of *folder* in a ``with`` block."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD_SERVERS, str(folder), stay, then],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def finish(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    process.stdout.close()
    return process.wait(timeout=30)


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def server_pids(folder: Path) -> dict[str, list[int]]:
    return {role: server_processes.find_pids(p.marker) for role, p in known(folder).items()}


def processes_at_work(folder: Path) -> list[int]:
    """Return all processes whose working directory lies in the servers' data."""
    data = str(data_folder(folder))
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(data):
                found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_starting_twice_returns_the_same_servers(empty_folder: Path) -> None:
    first = start_servers(empty_folder, stay=False)
    pids = server_pids(empty_folder)
    assert start_servers(empty_folder, stay=False) == first
    assert find_servers(empty_folder) == first
    assert server_pids(empty_folder) == pids
    assert stop_servers(empty_folder) == 3
    assert find_servers(empty_folder) is None
    assert stop_servers(empty_folder) == 0


def test_rows_ports_and_passwords_survive_a_restart(folder: Path) -> None:
    with running_servers(folder) as first, closing(connect_mysql(first.source)) as admin:
        admin.cursor().execute("CREATE DATABASE kept")
    with running_servers(folder) as second, closing(connect_mysql(second.source)) as admin:
        assert second == first
        assert admin.cursor().execute("SHOW DATABASES LIKE 'kept'") == 1


def test_committed_rows_survive_kill_9_of_the_servers(folder: Path) -> None:
    first = start_servers(folder, stay=False)
    with closing(connect_mysql(first.replication)) as admin:
        admin.cursor().execute("CREATE DATABASE kept")
        admin.cursor().execute("CREATE TABLE kept.patient (PatNum bigint PRIMARY KEY)")
        admin.cursor().execute("INSERT INTO kept.patient VALUES (1), (2)")
    with closing(connect_postgres(first.analytics)) as admin_pg:
        admin_pg.execute("CREATE TABLE patient AS SELECT generate_series(1, 3)")
    for pid in (pid for pids in server_pids(folder).values() for pid in pids):
        os.kill(pid, signal.SIGKILL)
    second = start_servers(folder, stay=False)
    with closing(connect_mysql(second.replication)) as admin:
        assert admin.cursor().execute("SELECT * FROM kept.patient") == 2
    with closing(connect_postgres(second.analytics)) as admin_pg:
        assert admin_pg.execute("SELECT count(*) FROM patient").fetchone() == (3,)


def test_one_dead_server_is_started_again(folder: Path) -> None:
    first = start_servers(folder, stay=False)
    (pid,) = server_pids(folder)["source"]
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: find_servers(folder) is None)
    assert start_servers(folder, stay=False) == first


@on_linux
def test_killed_parent_leaves_no_server(folder: Path) -> None:
    parent = hold_servers(folder, "end")
    wait_until_ready(parent)
    assert len(processes_at_work(folder)) >= 3
    parent.kill()
    finish(parent)
    assert wait_for(lambda: not processes_at_work(folder))


@on_linux
@pytest.mark.parametrize("stay", ["stay", "end"])
def test_ctrl_c_stops_the_servers(folder: Path, stay: str) -> None:
    parent = hold_servers(folder, stay)
    wait_until_ready(parent)
    parent.send_signal(signal.SIGINT)
    assert finish(parent) != 0
    assert not processes_at_work(folder)


@on_linux
@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.5])
def test_ctrl_c_during_the_start_leaves_no_server(empty_folder: Path, seconds: float) -> None:
    parent = hold_servers(empty_folder, "stay")
    assert wait_for(lambda: (empty_folder / "servers.json").exists())
    time.sleep(seconds)
    parent.send_signal(signal.SIGINT)
    assert finish(parent) != 0
    assert wait_for(lambda: not processes_at_work(empty_folder), seconds=2)
    with running_servers(empty_folder):
        pass


def test_staying_servers_outlive_their_starter(folder: Path) -> None:
    parent = hold_servers(folder, "stay", then="leave")
    wait_until_ready(parent)
    assert finish(parent) == 0
    with running_servers(folder) as servers:  # which leaves alone what ran before
        pass
    assert find_servers(folder) == servers
    assert stop_servers(folder) == 3


def test_pid_that_somebody_else_has_now_is_not_signalled(folder: Path) -> None:
    with running_servers(folder):
        pass
    account = server_processes.server_account()
    sleep = shutil.which("sleep")
    assert sleep is not None
    bystander = server_processes.spawn(
        [sleep, "60"], account, log=folder / "sleep.log", folder=Path("/")
    )
    try:
        data = data_folder(folder)
        (data / "source.pid").write_text(f"{bystander.pid}\n")
        (postmaster,) = data.glob("analytics-*")
        (postmaster / "postmaster.pid").write_text(f"{bystander.pid}\n{postmaster}\n")
        with running_servers(folder):
            assert bystander.poll() is None
        stop_servers(folder)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_interrupted_initialisation_is_done_again(empty_folder: Path) -> None:
    data = data_folder(empty_folder)
    data.mkdir(mode=0o700)
    (data / "source.unfinished").mkdir()
    (data / "source.unfinished" / "ibdata1").write_text("half")
    with running_servers(empty_folder):
        assert not list(data.glob("*.unfinished"))


def test_lost_record_begins_anew(folder: Path) -> None:
    with running_servers(folder) as first:
        pass
    (folder / "servers.json").write_text('{"source": ')
    with running_servers(folder) as second:
        assert second.analytics.password != first.analytics.password


def test_failed_start_shows_the_log_and_leaves_nothing(folder: Path) -> None:
    with running_servers(folder):
        pass
    (datadir,) = data_folder(folder).glob("analytics-*")
    (datadir / "PG_VERSION").write_text("8\n")
    with pytest.raises(DatabaseError, match="did not start: analytics") as caught:
        start_servers(folder, stay=False)
    assert caught.value.where == str(folder / "analytics.log")
    assert "FATAL" in str(caught.value)
    assert not any(server_pids(folder).values())


def test_missing_programs_are_all_named_with_their_packages(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(empty_folder))
    monkeypatch.setattr(server_programs, "MARIADB_FOLDERS", ())
    monkeypatch.setattr(server_programs, "POSTGRES_FOLDERS", ())
    with pytest.raises(ConfigurationError) as caught:
        start_servers(empty_folder, stay=False)
    for word in ("mariadbd", "mariadb-install-db", "initdb", "brew", "apt-get", "docker compose"):
        assert word in str(caught.value)


def test_data_folder_of_somebody_else_is_refused(empty_folder: Path) -> None:
    data = data_folder(empty_folder)
    data.symlink_to("/tmp")
    try:
        with pytest.raises(ConfigurationError, match="somebody else"):
            start_servers(empty_folder, stay=False)
    finally:
        data.unlink()


def test_data_is_kept_in_memory_where_the_folder_is(tmp_path: Path) -> None:
    assert data_folder(MEMORY / "some" / "folder").parent == MEMORY
    assert data_folder(tmp_path).parent == DATA_PARENT


def test_thread_cannot_start_servers_that_would_end_with_it(empty_folder: Path) -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            start_servers(empty_folder, stay=False)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert raised


def test_only_the_owner_can_read_the_record_and_the_data(empty_folder: Path) -> None:
    with running_servers(empty_folder) as servers:
        record = empty_folder / "servers.json"
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert json.loads(record.read_text())["source"]["port"] == servers.source.port
        assert stat.S_IMODE(data_folder(empty_folder).stat().st_mode) == 0o700
        assert servers.source.password not in repr(servers)
        assert not list(data_folder(empty_folder).glob("*.sql"))


@on_linux
def test_servers_do_not_run_as_root_and_listen_on_loopback_only(folder: Path) -> None:
    with running_servers(folder) as servers:
        for pid in processes_at_work(folder):
            assert Path(f"/proc/{pid}").stat().st_uid != 0
        for server in (servers.source, servers.replication, servers.analytics):
            assert listening_addresses(server.port) == {"0100007F"}


def listening_addresses(port: int) -> set[str]:
    """Return the hexadecimal addresses that listen on *port*, as ``/proc/net`` shows them."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, number = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(number, 16) == port:
                found.add(address)
    return found


def test_every_commit_reaches_the_disk(folder: Path) -> None:
    with running_servers(folder) as servers:
        for server, has_log in ((servers.source, 1), (servers.replication, 0)):
            with closing(connect_mysql(server)) as admin, admin.cursor() as cursor:
                cursor.execute(
                    "SELECT @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite, @@log_bin,"
                    " @@max_allowed_packet, @@local_infile, @@character_set_server"
                )
                assert cursor.fetchall() == ((1, 1, has_log, 1 << 30, 1, "utf8mb4"),)
        with closing(connect_postgres(servers.analytics)) as postgres:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                assert postgres.execute(f"SHOW {name}").fetchone() == ("on",)


def test_servers_share_no_folder_for_temporary_tables(folder: Path) -> None:
    with running_servers(folder) as servers:
        seen = set()
        for server in (servers.source, servers.replication):
            with closing(connect_mysql(server)) as admin, admin.cursor() as cursor:
                cursor.execute("SELECT @@tmpdir")
                seen |= set(cursor.fetchall())
        assert seen == {(str(data_folder(folder) / f"{role}.tmp"),) for role in MYSQL_ROLES}


def test_nobody_gets_in_without_the_password(folder: Path) -> None:
    with running_servers(folder) as servers:
        with closing(connect_mysql(servers.source)) as admin, admin.cursor() as cursor:
            cursor.execute(
                "SELECT User, Host, JSON_VALUE(Priv, '$.authentication_string') LIKE '*%'"
                " FROM mysql.global_priv WHERE User <> 'mariadb.sys'"
            )
            logins = set(cursor.fetchall())
            assert logins == {("root", "localhost", 1), ("root", "127.0.0.1", 1)}
        with closing(connect_postgres(servers.analytics)) as postgres:
            methods = postgres.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
            assert methods.fetchall() == [("scram-sha-256",)]
