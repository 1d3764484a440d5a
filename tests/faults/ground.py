"""Servers of the campaigns' own, the small practice on them, and runs of it through proxies."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from etl_pipeline.demo.server_databases import (
    connect_mysql,
    connect_postgres,
    create_practice_databases,
)
from etl_pipeline.demo.server_processes import server_account
from etl_pipeline.demo.server_record import Servers, data_folder
from etl_pipeline.demo.servers import remove_servers, start_servers
from tests.conftest import Lab
from tests.faults import practice
from tests.faults.child import Run, Starter
from tests.faults.moment import Moment
from tests.faults.places import (
    Network,
    SmallDisk,
    open_network,
    small_disk,
    sweep,
    why_no_disk,
)
from tests.faults.power import Power
from tests.transfer.proxy import Proxy

PREFIXES = {
    "source": "TEST_OPENDENTAL_SOURCE",
    "replication": "TEST_MYSQL_REPLICATION",
    "analytics": "TEST_POSTGRES_ANALYTICS",
}
ROLES = tuple(PREFIXES)
WAIT_SECONDS = 4
PIPELINE: Mapping[str, Any] = {
    "general": {"parallel_tables": 2},
    "connections": {
        "source": {"connect_timeout": WAIT_SECONDS, "read_timeout": WAIT_SECONDS},
        "replication": {"connect_timeout": WAIT_SECONDS, "read_timeout": WAIT_SECONDS},
        "analytics": {"connect_timeout": WAIT_SECONDS},
    },
    "source": {"connections": 2, "max_threads_running": 100},
}
READER = "analyst"


class Ground:
    """What a trial happens on.

    Attributes:
        lab: Administrators' connections to the databases, made anew by `connect`.
        power: The servers' switches.
        lines: The proxies between the runs and the servers, by role.
        disks: Small ones, under the databases of replication and analytics, and a run's spool.
        folder: For the configuration and what runs print.
    """

    lab: Lab

    def __init__(self, folder: Path, servers: Servers) -> None:
        self.folder, self.servers = folder, servers
        self.power = Power(folder, servers)
        self.env = create_practice_databases(servers, "practice")
        self._lent, self._mounted = contextlib.ExitStack(), contextlib.ExitStack()
        self._network: Network | None = None
        self._starter = Starter()
        self._left_lines: list[Proxy] = []
        self.disks: dict[str, SmallDisk] = {}
        self.connect()
        if why_no_disk() is None:
            self._mount()
            self.connect()
        practice.fill(self.lab.source)
        make_reader(self.lab)
        self.lines = self._lay_lines()

    def connect(self) -> None:
        """Make the administrators' connections anew."""
        self._lent.close()
        env = self.env
        lend = self._lent.enter_context
        self.lab = Lab(
            self.servers,
            env,
            lend(closing(connect_mysql(self.servers.source, env[f"{PREFIXES['source']}_DB"]))),
            lend(
                closing(
                    connect_mysql(self.servers.replication, env[f"{PREFIXES['replication']}_DB"])
                )
            ),
            lend(
                closing(
                    connect_postgres(self.servers.analytics, env[f"{PREFIXES['analytics']}_DB"])
                )
            ),
        )

    @contextlib.contextmanager
    def using(self, lines: str) -> Iterator[None]:
        """Have runs of a block reach the servers by lines of a kind: ``plain`` or ``network``."""
        with contextlib.ExitStack() as stack:
            if lines == "network":
                plain = self.lines
                self._network = stack.enter_context(open_network())
                self.lines = self._lay_lines(self._network)
                stack.callback(self._take_back, plain)
            yield
        while self._left_lines:
            self._left_lines.pop().close()

    def network(self) -> Network:
        """The network of the block."""
        if self._network is None:
            raise RuntimeError("used outside its block")
        return self._network

    def leave_lines(self) -> None:
        """Reach the servers by new lines, from elsewhere; the old ones stay as they are."""
        self._left_lines += self.lines.values()
        self.lines, self._network = self._lay_lines(), None

    def _take_back(self, plain: dict[str, Proxy]) -> None:
        self._left_lines += self.lines.values()
        self.lines, self._network = plain, None

    def _lay_lines(self, network: Network | None = None) -> dict[str, Proxy]:
        lines = {}
        for role in ROLES:
            server = self.servers.endpoint(role)
            address = network.lay(role) if network else "127.0.0.1"
            lines[role] = Proxy(server.host, server.port, address)
        return lines

    def _mount(self) -> None:
        """Put both targets' databases on small disks, and a third one under the spool."""
        account = server_account()
        data = data_folder(self.folder)
        databases = {role: self.env[f"{PREFIXES[role]}_DB"] for role in ROLES}
        places = {
            "replication": self.power.datadir("replication") / databases["replication"],
            "analytics": data / "warehouse",
            "spool": self.folder / "spool",
        }
        for role, place in places.items():
            self.disks[role] = self._mounted.enter_context(small_disk(place, account))
        self.lab.analytics.close()
        with closing(connect_postgres(self.servers.analytics)) as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{places['analytics']}'".encode())
            move = f"ALTER DATABASE {databases['analytics']} SET TABLESPACE small"
            admin.execute(move.encode())

    def tell(self, role: str, statement: str) -> None:
        """Have the administrator of a server say *statement*."""
        user, database = (self.env[f"{PREFIXES[role]}_{what}"] for what in ("USER", "DB"))
        if role == "analytics":
            self.lab.analytics.execute(statement.format(user=user, database=database).encode())
            return
        connection = self.lab.source if role == "source" else self.lab.replication
        words = statement.split()
        with connection.cursor() as cursor:
            if words[:2] == ["SET", "GLOBAL"] and words[-1] != "@was":
                cursor.execute(f"SET @was = @@GLOBAL.{words[2]}")
            cursor.execute(statement.format(user=f"`{user}`@`%`", database=database))

    def watch(self, moment: Moment) -> None:
        """Have *moment* count what is said on the lines."""
        for line in self.lines.values():
            line.before_request = moment.before_request

    def configure(self) -> Path:
        """Write a configuration whose servers are at the other end of the lines."""
        values = dict(self.env)
        for role, line in self.lines.items():
            values[f"{PREFIXES[role]}_HOST"] = line.address
            values[f"{PREFIXES[role]}_PORT"] = str(line.port)
        there = replace(self.lab, env=values)
        return there.write_config(
            self.folder / "configuration", tables=practice.CONFIGURATION, pipeline=PIPELINE
        )

    def start(self, *arguments: str) -> Run:
        """Start ``etl`` with *arguments*."""
        values = {
            "PATH": os.environ["PATH"],
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
            "ETL_ENVIRONMENT": "test",
            "ETL_CONFIG_DIR": str(self.configure()),
        }
        if "spool" in self.disks:
            values["TMPDIR"] = str(self.disks["spool"].path)
        namespace = self._network.name if self._network else None
        return self._starter.start(arguments, values, self.folder, namespace)

    def said(self) -> tuple[str, str]:
        """What the last run printed: stdout, stderr."""
        return (self.folder / "stdout").read_text(), (self.folder / "stderr").read_text()

    def forget(self) -> None:
        """Empty both targets, as if nothing had ever been loaded."""
        with self.lab.replication.cursor() as cursor:
            cursor.execute("SHOW FULL TABLES")
            for name, kind in cursor.fetchall():
                cursor.execute(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} `{name}`")
        for schema in ("raw", "etl"):
            self.lab.analytics.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def close(self) -> None:
        """End runs, proxies and connections, and take the disks away."""
        self._starter.close()
        for line in (*self.lines.values(), *self._left_lines):
            line.close()
        self._lent.close()
        self._mounted.close()


@contextlib.contextmanager
def open_ground(folder: Path) -> Iterator[Ground]:
    """A ground for a block; servers and data are gone with it."""
    sweep()
    remove_servers(folder) if folder.is_dir() else None
    shutil.rmtree(folder, ignore_errors=True)
    ground = None
    try:
        servers = start_servers(folder, stay=False)
        ground = Ground(folder, servers)
        yield ground
    finally:
        if ground is not None:
            for role in ROLES:
                ground.power.thaw(role)
            ground.close()
        remove_servers(folder)
        shutil.rmtree(folder, ignore_errors=True)


def make_reader(lab: Lab) -> None:
    """Somebody who reads ``raw``, and may not read what nobody gave to them."""
    exists = lab.analytics.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchone()
    if not exists:
        lab.analytics.execute(f"CREATE ROLE {READER}".encode())
    lab.analytics.execute("CREATE SCHEMA IF NOT EXISTS report")


def give_views(lab: Lab) -> None:
    """A view of each table of ``raw``, and the reader's right to read both."""
    lab.analytics.execute(f"GRANT USAGE ON SCHEMA raw, report TO {READER}".encode())
    for name in practice.TABLES:
        lab.analytics.execute(
            f"CREATE OR REPLACE VIEW report.{name} AS SELECT * FROM raw.{name}".encode()
        )
        lab.analytics.execute(f"GRANT SELECT ON raw.{name}, report.{name} TO {READER}".encode())
