"""Start the three servers of a folder: data directories, processes, readiness."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl_pipeline.demo import server_processes as processes
from etl_pipeline.demo import server_programs as programs
from etl_pipeline.demo.server_processes import Account, Known
from etl_pipeline.demo.server_record import (
    ROLES,
    Servers,
    answers,
    data_folder,
    new_servers,
    read_record,
    with_free_ports,
    write_record,
)
from etl_pipeline.errors import ConfigurationError, DatabaseError

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

START_SECONDS = 60.0
START_ATTEMPTS = 3
LOG_LINES = 4


@dataclass(frozen=True)
class Site:
    """The parameters of a start: the caller's folder, the data, the programs, the account."""

    folder: Path
    data: Path
    found: programs.ServerPrograms
    account: Account

    def datadir(self, role: str) -> Path:
        """Return the data directory of *role*; another version of the server gets a new one."""
        if role == "analytics":
            return self.data / f"{role}-{self.found.postgres_version}"
        return self.data / f"{role}-{self.found.mariadb_version}"


def known(folder: Path) -> dict[str, Known]:
    """Return the marks of the processes of *folder*'s servers, by role."""
    data = data_folder(folder)
    mariadb = {
        role: Known(programs.mariadb_marker(data, role), signal.SIGTERM, signal.SIGKILL)
        for role in ("source", "replication")
    }
    # SIGINT: fast; SIGQUIT: at once, but without orphaned workers.
    postgres = Known(programs.postgres_marker(data), signal.SIGINT, signal.SIGQUIT)
    return {**mariadb, "analytics": postgres}


def start(folder: Path, *, stay: bool) -> Servers:
    """Start the servers of *folder*, none of which runs, and return once they all answer.

    The caller stops them when this raises.
    """
    found = programs.find_programs()
    site = Site(folder, data_folder(folder), found, processes.server_account())
    servers = read_record(folder)
    if servers is None:  # data whose passwords are lost is worth nothing
        shutil.rmtree(site.data, ignore_errors=True)
        servers = new_servers()
    _prepare_data(site)
    for _ in range(START_ATTEMPTS):
        servers = with_free_ports(servers)
        write_record(folder, servers)
        _initialise(site, servers)
        _spawn(site, servers, stay=stay)
        failed = _wait_until_ready(site, servers)
        if not failed:
            return servers
        # Perhaps somebody took a port meanwhile.
        processes.stop(known(folder).values(), at_once=True)
    raise _failure(site, failed)


def _prepare_data(site: Site) -> None:
    site.data.mkdir(mode=0o700, exist_ok=True)
    status = site.data.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), site.account.uid):
        raise ConfigurationError(
            "the folder for the servers' data belongs to somebody else",
            where=str(site.data),
            fix="remove it, or use another folder",
        )
    for role in ("source", "replication"):
        shutil.rmtree(site.data / f"{role}.tmp", ignore_errors=True)
    for path in (site.data, site.data / "source.tmp", site.data / "replication.tmp"):
        path.mkdir(mode=0o700, exist_ok=True)
        if site.account.is_other:
            os.chown(path, site.account.uid, site.account.gid)


def _initialise(site: Site, servers: Servers) -> None:
    """Make the missing data directories, all at the same time.

    Each is made under another name and renamed when complete, so an incomplete one is never used.
    """
    missing = [role for role in ROLES if not site.datadir(role).is_dir()]
    password_file = _write_private(site, "password", servers.analytics.password)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for role in missing:
            shutil.rmtree(_unfinished(site, role), ignore_errors=True)
            if role == "analytics":
                command = programs.install_postgres(
                    site.found, _unfinished(site, role), password_file
                )
            else:
                command = programs.install_mariadb(
                    site.found, _unfinished(site, role), tmpdir=site.data / f"{role}.tmp"
                )
            running[role] = _run(site, role, command, death_signal=signal.SIGKILL)
        failed = [role for role, process in running.items() if process.wait() != 0]
    except BaseException:
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        raise
    finally:
        password_file.unlink()
    if failed:
        raise _failure(site, failed)
    for role in missing:
        _unfinished(site, role).rename(site.datadir(role))


def _unfinished(site: Site, role: str) -> Path:
    return site.data / f"{role}.unfinished"


def _spawn(site: Site, servers: Servers, *, stay: bool) -> None:
    _remove_stale_pids(site)
    for role, process in known(site.folder).items():
        server = servers.endpoint(role)
        if role == "analytics":
            command = programs.run_postgres(
                site.found, site.datadir(role), site.data, port=server.port
            )
        else:
            # At each start, so that the record is right whatever was there before.
            _write_private(site, f"{role}.sql", _root_login(server.password))
            command = programs.run_mariadb(
                site.found, site.datadir(role), site.data, role, port=server.port
            )
        death_signal = 0 if stay else process.death_signal
        processes.release(_run(site, role, command, death_signal=death_signal))


def _remove_stale_pids(site: Site) -> None:
    """Remove pid files that a crash has left.

    None of our servers runs, but another process may have such a pid by now, and PostgreSQL would
    refuse to start. It still checks its shared memory, so it cannot run twice on one directory.
    """
    (site.datadir("analytics") / "postmaster.pid").unlink(missing_ok=True)
    for pattern in (".s.PGSQL.*", "*.pid"):
        for path in site.data.glob(pattern):
            path.unlink()


def _root_login(password: str) -> str:
    """Return SQL that allows only root to log in, from 127.0.0.1 and the socket, by *password*.

    The password is made of hexadecimal digits, so it needs no quoting.
    """
    return f"""\
DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';
FLUSH PRIVILEGES;
ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';
CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
"""


def _run(
    site: Site, role: str, command: list[str], *, death_signal: int
) -> subprocess.Popen[bytes]:
    return processes.spawn(
        command,
        site.account,
        log=_log(site, role),
        folder=site.data,
        death_signal=death_signal,
    )


def _wait_until_ready(site: Site, servers: Servers) -> list[str]:
    """Wait until all servers answer; return those that ended or did not answer in time."""
    deadline = time.monotonic() + START_SECONDS
    waiting = list(ROLES)
    while waiting:
        running = known(site.folder)
        ended = [role for role in waiting if not processes.find_pids(running[role].marker)]
        if ended or time.monotonic() > deadline:
            return ended or waiting
        waiting = [role for role in waiting if not answers(servers, role)]
        if waiting:
            time.sleep(processes.POLL_SECONDS)
    for role in ("source", "replication"):
        (site.data / f"{role}.sql").unlink()
    return []


def _write_private(site: Site, name: str, text: str) -> Path:
    """Write a file that only the servers' account can read."""
    path = site.data / name
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if site.account.is_other:
            os.fchown(descriptor, site.account.uid, site.account.gid)
        file.write(text)
    return path


def _log(site: Site, role: str) -> Path:
    return site.folder / f"{role}.log"


def _failure(site: Site, roles: list[str]) -> DatabaseError:
    """Return an error with the last errors of the servers' logs."""
    shown = [f"the private servers did not start: {', '.join(roles)}"]
    for role in roles:
        lines = _log(site, role).read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if "ERROR" in line or "FATAL" in line]
        shown += [f"  {line.strip()}" for line in (errors or lines)[-LOG_LINES:]]
    return DatabaseError(
        "\n".join(shown),
        where=", ".join(str(_log(site, role)) for role in roles),
        fix=f"read the log; to begin with empty servers: rm -r {site.data}",
    )
