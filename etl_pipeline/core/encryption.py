"""The line to a server: whether it is encrypted, proven, or does not leave this machine."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl_pipeline.config.resolve import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from sqlalchemy import Engine

_VERIFYING = ("verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class ConnectionSecurity:
    """Encryption of one connection.

    Attributes:
        name: ``source``, ``replication`` or ``analytics``.
        tls: Version of the protocol; None for a line that is not encrypted.
        is_verified: Whether the server's certificate was checked.
        is_local: Whether it stays on this machine: a loopback address or a socket of Unix.
    """

    name: str
    tls: str | None
    is_verified: bool
    is_local: bool

    @property
    def is_open(self) -> bool:
        """True if data can be read and changed on its way."""
        return not self.tls and not self.is_local

    def as_json(self) -> dict[str, object]:
        """For the record of a run."""
        return {"tls": self.tls, "verified": self.is_verified, "local": self.is_local}


def warn_of_open(lines: Iterable[ConnectionSecurity]) -> list[str]:
    """Return a warning for connections that leave this machine unencrypted; empty if none does."""
    names = [line.name for line in lines if line.is_open]
    if not names:
        return []
    return [
        f"not encrypted: the line to {' and to '.join(names)}; what is sent can be read and "
        "changed on the way (ssl_mode in pipeline.yml)"
    ]


def read_line(engine: Engine, name: str) -> ConnectionSecurity:
    """Return the security of a connection of *engine*; asks the server nothing.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: There is no connection to be had.
    """
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "mysql":
            return read_mysql_line(driver, name)
        return read_postgres_line(driver, name)


def read_postgres_line(connection: psycopg.Connection, name: str) -> ConnectionSecurity:
    """Return the security of a connection of psycopg; asks the server nothing."""
    options = {option.keyword: option.val for option in connection.pgconn.info}
    mode = (options.get(b"sslmode") or b"").decode()
    info, is_encrypted = connection.info, bool(connection.pgconn.ssl_in_use)
    return ConnectionSecurity(
        name,
        # libpq knows the version, psycopg tells only that there is one.
        "TLS" if is_encrypted else None,
        is_verified=is_encrypted and mode in _VERIFYING,
        is_local=is_this_machine(info.host if info.host.startswith("/") else info.hostaddr),
    )


def read_mysql_line(connection: Any, name: str) -> ConnectionSecurity:
    """Return the security of a connection of PyMySQL that has a socket."""
    sock = connection._sock  # noqa: SLF001 - PyMySQL has no public word for it
    is_encrypted = isinstance(sock, ssl.SSLSocket)
    peer = sock.getpeername()
    return ConnectionSecurity(
        name,
        sock.version() if is_encrypted else None,
        is_verified=is_encrypted and sock.context.verify_mode == ssl.CERT_REQUIRED,
        is_local=not isinstance(peer, tuple) or is_this_machine(str(peer[0])),
    )
