"""From a connection's configuration to the arguments of its driver; TLS files are read."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psycopg
from pymysql.constants import CLIENT

from etl_pipeline.config.resolve import is_this_machine
from etl_pipeline.core.liveness import (
    KEEPALIVE_COUNT,
    KEEPALIVE_IDLE_SECONDS,
    KEEPALIVE_INTERVAL_SECONDS,
)
from etl_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from etl_pipeline.core.throttle import ThrottleLimits

APPLICATION_NAME = "etl_pipeline"
READ_GRACE_SECONDS = 30.0
"""Seconds beyond the server's own limit that a client waits for a statement at the source."""
WRITE_SECONDS = 90.0
"""Time limit for replication to take some of the rows that are sent."""
NO_CLEARTEXT = "!password"
"""For libpq's ``require_auth``: every way to log in but that of a password in clear."""
_ANY_LOGIN = "!sspi"
"""Nothing is no word for that; SSPI is a way of Windows."""
_IN_URL = frozenset({b"user", b"password", b"host", b"port", b"dbname"})
_SERVICE = b"service"
_MEANT = {b"min_protocol_version": b"3.0", b"max_protocol_version": b"3.0"}
"""Defaults of libpq for parameters that cannot be given as empty."""

TCP_KEEPALIVE: Mapping[str, int] = {
    "keepalives": 1,
    "keepalives_idle": KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": KEEPALIVE_COUNT,
    # Also while something is sent, when no keepalives are.
    "tcp_user_timeout": 1000
    * (KEEPALIVE_IDLE_SECONDS + KEEPALIVE_COUNT * KEEPALIVE_INTERVAL_SECONDS),
}
"""Parameters of libpq by which the system ends a connection whose other end is gone."""

SESSION_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "TimeZone=UTC",
        # Types are compared by the names that PostgreSQL gives them.
        "quote_all_identifiers=off",
        # Limits that a role has are not ours: a large table takes as long as it takes.
        "statement_timeout=0",
        "lock_timeout=600s",
        "idle_session_timeout=0",
        # A client that vanished leaves no lock for longer.
        "idle_in_transaction_session_timeout=900s",
        "default_transaction_read_only=off",
        "default_transaction_deferrable=off",
        r"default_transaction_isolation=read\ committed",
        "standard_conforming_strings=on",
        "IntervalStyle=postgres",
        "extra_float_digits=1",
        "bytea_output=hex",
        # A policy that hides rows is an error then, not a smaller table.
        "row_security=off",
    )
)
"""Settings that our statements rely on and a role or database may set otherwise."""

SERVER_KEEPALIVE = (
    f"-c tcp_keepalives_idle={KEEPALIVE_IDLE_SECONDS}"
    f" -c tcp_keepalives_interval={KEEPALIVE_INTERVAL_SECONDS}"
    f" -c tcp_keepalives_count={KEEPALIVE_COUNT}"
)
"""Settings by which the server ends a session whose client is gone, and its locks, within half a
minute; the system's own default is two hours. No statement relies on them, so a pooler before the
server need not pass them on."""


def make_mysql_args(config: Mapping[str, Any], name: str = "source") -> dict[str, Any]:
    """Arguments of ``MysqlConnection`` that do not stand in the URL; *name* is that of the section.

    The password goes as UTF-8 bytes: PyMySQL would encode text as Latin-1, and MySQL hashes the
    bytes of the character set in which the password was set.
    """
    args: dict[str, Any] = {
        "password": str(config["password"]).encode(),
        "charset": "utf8mb4",
        "connect_timeout": config["connect_timeout"],
        # SQLAlchemy's dialect asks for FOUND_ROWS; naming a flag here replaces its choice.
        "client_flag": CLIENT.FOUND_ROWS,
        "local_infile": False,
        "program_name": APPLICATION_NAME,
        "name": name,
        "allow_cleartext_password": bool(config.get("allow_cleartext_password")),
    }
    for key in ("read_timeout", "write_timeout"):
        if config.get(key) is not None:
            args[key] = config[key]
    return args | _make_mysql_tls(config)


def make_source_args(config: Mapping[str, Any], throttle_limits: ThrottleLimits) -> dict[str, Any]:
    """Return the arguments of :class:`~etl_pipeline.core.source_connection.SourceConnection`."""
    args = make_mysql_args(config, "source")
    # The server ends a statement at its limit, so a longer silence is a dead connection.
    longest = max(
        throttle_limits.seconds_per_statement, *throttle_limits.seconds_of_tables.values(), 0
    )
    args.setdefault("read_timeout", longest + READ_GRACE_SECONDS)
    return args


def make_replication_args(config: Mapping[str, Any]) -> dict[str, Any]:
    """Like :func:`make_mysql_args`, and the server may be asked for ``LOAD DATA LOCAL``.

    The capability is announced in the handshake, for a sink that speaks that protocol itself;
    PyMySQL's own switch stays off, so PyMySQL never opens a file that a server names.
    """
    args = make_mysql_args(config, "replication")
    # A killed session of MariaDB can stay half open while rows are sent to it.
    args.setdefault("write_timeout", WRITE_SECONDS)
    return args | {"client_flag": args["client_flag"] | CLIENT.LOCAL_FILES}


def make_postgres_args(config: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of libpq that do not stand in the URL.

    Settings of the session travel in the start-up packet: they outlive ``RESET ALL``, a rolled
    back transaction and the pool. Parameters that libpq would take from ``PG…`` variables of the
    process are all set here, because the process environment is no source of configuration.
    """
    ours: dict[str, Any] = {
        **TCP_KEEPALIVE,
        "application_name": config.get("application_name") or APPLICATION_NAME,
        "client_encoding": "utf8",
        "connect_timeout": config["connect_timeout"],
        "options": f"-c search_path={config['schema']} {SESSION_OPTIONS} {SERVER_KEEPALIVE}",
        "sslmode": config["ssl_mode"],
        # A certificate of the client is one that is named here, never one of its home folder.
        "sslcertmode": "allow" if config.get("ssl_cert") else "disable",
        "require_auth": NO_CLEARTEXT if keeps_password(config) else _ANY_LOGIN,
    }
    for key, name in (("ssl_ca", "sslrootcert"), ("ssl_cert", "sslcert"), ("ssl_key", "sslkey")):
        if config.get(key):
            ours[name] = config[key]
    return _libpq_defaults() | ours


@functools.cache
def _libpq_defaults() -> dict[str, str]:
    """Return libpq's default of each parameter that an environment variable could set.

    An empty value is one that was given: libpq asks for no variable then.
    """
    options = (option for option in psycopg.pq.Conninfo.get_defaults() if option.envvar)
    return {
        option.keyword.decode(): (option.compiled or _MEANT.get(option.keyword, b"")).decode()
        for option in options
        # Of a service an empty name is looked up as well: refuse_service.
        if option.keyword not in _IN_URL | {_SERVICE}
    }


def refuse_service() -> None:
    """Raise ConfigurationError if ``PGSERVICE`` is set: libpq would look it up in any case."""
    service = {option.keyword: option.val for option in psycopg.pq.Conninfo.get_defaults()}
    if service.get(_SERVICE):
        raise ConfigurationError(
            "PGSERVICE is set, and libpq adds to a connection what its service says",
            where="environment",
            fix="unset PGSERVICE",
        )


def keeps_password(config: Mapping[str, Any]) -> bool:
    """True if the server must not get the password itself: nothing proves who it is."""
    is_verified = str(config["ssl_mode"]).startswith("verify")
    is_here = is_this_machine(str(config["host"] or ""))
    return not (is_verified or is_here or config.get("allow_cleartext_password"))


def _make_mysql_tls(config: Mapping[str, Any]) -> dict[str, Any]:
    mode = config["ssl_mode"]
    if mode == "disabled":
        return {"ssl_disabled": True}
    if mode == "preferred":
        return {}  # PyMySQL's own way when nothing is said: TLS if the server offers it
    return {"ssl": _make_context(mode, config)}


def _make_context(mode: str, config: Mapping[str, Any]) -> ssl.SSLContext:
    # PyMySQL's own options would leave the name unchecked where no authority is named.
    try:
        context = ssl.create_default_context(cafile=config.get("ssl_ca"))
        # Certificates that MySQL makes for itself lack extensions that Python 3.13 asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = mode == "verify_identity"
        context.verify_mode = ssl.CERT_NONE if mode == "required" else ssl.CERT_REQUIRED
        if config.get("ssl_cert"):
            context.load_cert_chain(config["ssl_cert"], config.get("ssl_key"))
    except (OSError, ValueError) as error:
        keys = ("ssl_ca", "ssl_cert", "ssl_key")
        files = ", ".join(str(config[key]) for key in keys if config.get(key))
        raise ConfigurationError(
            f"a TLS file cannot be used ({type(error).__name__})",
            where=files,
            fix="name readable PEM files",
        ) from error
    return context
