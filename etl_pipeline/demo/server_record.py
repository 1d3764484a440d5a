"""The record of a folder's servers: ports, passwords, and the folder of their data."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psycopg
import pymysql

from etl_pipeline.core.mysql_connection import MysqlConnection
from etl_pipeline.errors import ConfigurationError

HOST = "127.0.0.1"
ROLES = ("source", "replication", "analytics")
# Their folders are checked to be ours before use.
DATA_PARENT = Path("/var/tmp")  # noqa: S108
MEMORY = Path("/dev/shm")  # noqa: S108
RECORD = "servers.json"
PROBE_SECONDS = 5


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens, and its administrator's login."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Servers:
    """The administrators' endpoints of the three servers."""

    source: Endpoint
    replication: Endpoint
    analytics: Endpoint

    def endpoint(self, role: str) -> Endpoint:
        """Return the endpoint of the server called *role*."""
        return {
            "source": self.source,
            "replication": self.replication,
            "analytics": self.analytics,
        }[role]


def data_folder(folder: Path) -> Path:
    """Return the folder of the servers' data; nothing is made or checked.

    It is outside of *folder*, which the servers' account may be unable to reach. If *folder* is in
    memory, so is the data.
    """
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    parent = MEMORY if folder.resolve().is_relative_to(MEMORY) else DATA_PARENT
    return parent / f"etl_pipeline-{name}"


def new_servers() -> Servers:
    """Return endpoints with new passwords, and port 0: ports are chosen at the start."""
    return Servers(
        *(Endpoint(HOST, 0, user, secrets.token_hex(16)) for user in ("root", "root", "postgres"))
    )


def with_free_ports(servers: Servers) -> Servers:
    """Return *servers* with ports that nobody listens on now, their own where possible."""
    with_ports = {}
    held = []
    try:
        for role in ROLES:
            listener = _listen(servers.endpoint(role).port) or _listen(0)
            if listener is None:
                raise OSError("no free port on 127.0.0.1")
            held.append(listener)
            port = int(listener.getsockname()[1])
            with_ports[role] = replace(servers.endpoint(role), port=port)
    finally:
        for listener in held:
            listener.close()
    return Servers(**with_ports)


def read_record(folder: Path) -> Servers | None:
    """Return what `write_record` wrote in *folder*; None without a complete record.

    Raises:
        ConfigurationError: Another user wrote it.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Servers(**{role: Endpoint(**record[role]) for role in ROLES})
    except PermissionError:
        raise ConfigurationError(
            "the private servers of this folder belong to another user",
            where=str(folder / RECORD),
            fix="use them as that user, or use another folder",
        ) from None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_record(folder: Path, servers: Servers) -> None:
    """Write the record, readable by its owner alone, in one step."""
    new = folder / f"{RECORD}.new"
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(servers), file, indent=2)
    new.replace(folder / RECORD)


def answers(servers: Servers, role: str) -> bool:
    """Return True if the server called *role* lets its administrator in."""
    server = servers.endpoint(role)
    try:
        if role == "analytics":
            psycopg.connect(
                host=server.host,
                port=server.port,
                user=server.user,
                password=server.password,
                dbname="postgres",
                connect_timeout=PROBE_SECONDS,
            ).close()
        else:
            MysqlConnection(
                host=server.host,
                port=server.port,
                user=server.user,
                password=server.password,
                connect_timeout=PROBE_SECONDS,
                read_timeout=PROBE_SECONDS,
            ).close()
    except (psycopg.OperationalError, pymysql.MySQLError):
        return False
    return True


def _listen(port: int) -> socket.socket | None:
    """Return a socket that holds *port* (0: any free port); None if the port is taken."""
    listener = socket.socket()
    # As the servers do: a port with connections that are still closing is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        return None
    return listener
