"""The servers, databases and files of a benchmark, and what is done between two contestants."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import environment
from etl_pipeline.demo.server_databases import (
    connect_mysql,
    connect_postgres,
    create_practice_databases,
)
from etl_pipeline.demo.servers import Servers, data_folder, remove_servers, running_servers

SETTLE_SECONDS = 1.0
AFTER_WRITING_SECONDS = 8.0


@dataclass(frozen=True)
class Stage:
    """Where contestants meet: three servers, and a database on each.

    Attributes:
        folder: Holds the configuration, the clients' option files, texts and logs.
        server_pids: Processes of the servers, the source's first.
    """

    servers: Servers
    folder: Path
    source: str
    replication: str
    analytics: str
    server_pids: tuple[int, ...]

    @property
    def env(self) -> dict[str, str]:
        """What every contestant finds in its environment."""
        postgres = self.servers.analytics
        return {
            **environment(self.folder),
            "PYTHONPATH": str(Path.cwd()),
            "PYTHONDONTWRITEBYTECODE": "",  # as installed programs are, compiled once
            "PGHOST": postgres.host,
            "PGPORT": str(postgres.port),
            "PGUSER": postgres.user,
            "PGPASSWORD": postgres.password,
            "PGDATABASE": self.analytics,
        }

    def mysql(self, role: str, *options: str) -> str:
        """The command of MariaDB's client for the database of *role*."""
        database = self.source if role == "source" else self.replication
        return " ".join(["mariadb", f"--defaults-file={role}.cnf", *options, database])

    def ask_source(self, statement: str) -> list[tuple[Any, ...]]:
        """What the source's administrator is answered."""
        connection = connect_mysql(self.servers.source, self.source)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def ask_replication(self, statement: str) -> list[tuple[Any, ...]]:
        """What the replication server's administrator is answered."""
        connection = connect_mysql(self.servers.replication, self.replication)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def ask_analytics(self, statement: str) -> list[tuple[Any, ...]]:
        """What the warehouse's administrator is answered."""
        with closing(connect_postgres(self.servers.analytics, self.analytics)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def clear_analytics(self) -> None:
        """Drop what is in ``raw``, and let the server write all it has to write."""
        self.ask_analytics("DROP SCHEMA IF EXISTS raw CASCADE")
        self.ask_analytics("DROP SCHEMA IF EXISTS etl CASCADE")
        self.ask_analytics("CREATE SCHEMA raw")
        self.ask_analytics(f"GRANT ALL ON SCHEMA raw TO {self.owner}")
        self.ask_analytics("CHECKPOINT")
        settle()

    @property
    def owner(self) -> str:
        """The role that the pipeline loads as."""
        return self.analytics.replace("_analytics", "_loader")

    def clear_replication(self) -> None:
        """Drop what the replication database holds, and let its pages be written."""
        for (table,) in self.ask_replication("SHOW TABLES"):
            self.ask_replication(f"DROP TABLE `{table}`")
        self.ask_replication("FLUSH TABLES")
        settle()


def settle(seconds: float = SETTLE_SECONDS) -> None:
    """Let the servers write what they have to write."""
    time.sleep(seconds)


@contextmanager
def open_servers(folder: Path) -> Iterator[Servers]:
    """Private servers with durable defaults; gone with their data at the end."""
    try:
        with running_servers(folder) as servers:
            yield servers
    finally:
        remove_servers(folder)


def set_stage(servers: Servers, folder: Path, name: str) -> Stage:
    """Make the databases called *name* and the files that programs find them by."""
    stage_folder = folder / name
    stage_folder.mkdir()
    env = create_practice_databases(servers, name)
    _write(stage_folder / ".env_test", "".join(f"{key}={value}\n" for key, value in env.items()))
    for role in ("source", "replication"):
        server = servers.endpoint(role)
        _write(
            stage_folder / f"{role}.cnf",
            f"[client]\nhost={server.host}\nport={server.port}\nuser={server.user}\n"
            f"password={server.password}\n",
        )
    data = data_folder(folder)
    mysql = [int((data / f"{role}.pid").read_text()) for role in ("source", "replication")]
    (postmaster,) = data.glob("analytics-*/postmaster.pid")
    pids = (*mysql, int(postmaster.read_text().split()[0]))
    return Stage(
        servers,
        stage_folder,
        env["TEST_OPENDENTAL_SOURCE_DB"],
        env["TEST_MYSQL_REPLICATION_DB"],
        env["TEST_POSTGRES_ANALYTICS_DB"],
        pids,
    )


def run_at_source(stage: Stage, script: str) -> None:
    """Run the statements of *script* at the source."""
    connection = connect_mysql(stage.servers.source, stage.source)
    with closing(connection), connection.cursor() as cursor:
        for statement in script.split(";\n"):
            if statement.strip():
                cursor.execute(statement)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


Env = Mapping[str, str]
