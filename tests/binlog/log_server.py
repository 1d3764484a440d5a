"""A private MariaDB that keeps a binary log, apart from the servers that all tests share."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from etl_pipeline.demo import server_processes as processes
from etl_pipeline.demo import server_programs as programs
from etl_pipeline.demo.server_databases import MySqlConnection, connect_mysql
from etl_pipeline.demo.server_record import DATA_PARENT, MEMORY, Endpoint

START_SECONDS = 60.0
ROLE = "source"


@dataclass
class LogServer:
    """The server, with its administrator's endpoint; *folder* is None for one that was there."""

    endpoint: Endpoint
    folder: Path | None = None

    def connect(self, database: str | None = None) -> MySqlConnection:
        """A connection of the administrator; each statement is committed."""
        return connect_mysql(self.endpoint, database)

    def start(self, *options: str) -> None:
        """Start the server, with more *options*, and wait until it answers."""
        assert self.folder is not None
        found = programs.find_programs()
        command = programs.run_mariadb(
            found, self.folder / "data", self.folder, ROLE, port=self.endpoint.port
        )
        command = [word for word in command if word != "--skip-log-bin"]
        command += ["--log-bin=source-bin", "--server-id=7", "--binlog-format=ROW"]
        command += [*options, "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"]
        process = processes.spawn(
            command,
            processes.server_account(),
            log=self.folder / "log",
            folder=self.folder,
            death_signal=signal.SIGKILL,
        )
        processes.release(process)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
            except Exception:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.05)
            else:
                return

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server; its data stays."""
        assert self.folder is not None
        marker = programs.mariadb_marker(self.folder, ROLE)
        known = processes.Known(marker, signal.SIGTERM, signal.SIGKILL)
        processes.stop([known], at_once=at_once)

    def find_pids(self) -> list[int]:
        """The processes of the server."""
        assert self.folder is not None
        return processes.find_pids(programs.mariadb_marker(self.folder, ROLE))

    def restart(self, *options: str) -> None:
        """Stop the server and start it again, with more *options*."""
        self.stop()
        self.start(*options)

    def remove(self) -> None:
        """Stop the server and delete its data."""
        if self.folder is not None:
            self.stop(at_once=True)
            shutil.rmtree(self.folder)


def make_log_server() -> LogServer:
    """Make and start a server with an empty data directory."""
    parent = MEMORY if MEMORY.is_dir() else DATA_PARENT
    folder = Path(tempfile.mkdtemp(prefix="etl_pipeline-log-", dir=parent))
    account = processes.server_account()
    (folder / f"{ROLE}.tmp").mkdir(mode=0o700)
    password = secrets.token_hex(16)
    found = programs.find_programs()
    init = folder / f"{ROLE}.sql"
    init.write_text(
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"
        f"CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    if account.is_other:
        for path in (folder, folder / f"{ROLE}.tmp", init):
            os.chown(path, account.uid, account.gid)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = int(listener.getsockname()[1])
    server = LogServer(Endpoint("127.0.0.1", port, "root", password), folder)
    try:
        command = programs.install_mariadb(found, folder / "data", tmpdir=folder / f"{ROLE}.tmp")
        installed = processes.spawn(command, account, log=folder / "log", folder=folder)
        assert installed.wait(START_SECONDS) == 0, (folder / "log").read_text()[-2000:]
        server.start()
    except (AssertionError, subprocess.TimeoutExpired):
        server.remove()
        raise
    return server
