"""From variables and overrides to one connection's configuration (no I/O)."""

from __future__ import annotations

import difflib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl_pipeline.config.databases import (
    DEFAULT_PORTS,
    MYSQL_SSL_MODES,
    POSTGRES_SSL_MODES,
    REQUIRED_KEYS,
    DatabaseType,
    PostgresSchema,
)
from etl_pipeline.config.secret import Secret
from etl_pipeline.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_POOL_SIZE = 5
DEFAULT_MAX_OVERFLOW = 10
DEFAULT_POOL_TIMEOUT = 30
DEFAULT_POOL_RECYCLE = 1800
DEFAULT_CONNECT_TIMEOUT = 10
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "0.0.0.0"})  # noqa: S104


@dataclass(frozen=True)
class Resolved:
    """Return a connection's configuration as far as it goes, and its faults."""

    config: dict[str, Any]
    missing: tuple[Fault, ...]
    malformed: tuple[Fault, ...]


def resolve(
    db_type: DatabaseType,
    values: Mapping[str, str | None],
    overrides: Mapping[str, Any],
    *,
    names: Mapping[str, str],
    where: str,
) -> Resolved:
    """Put together the configuration of *db_type*.

    Args:
        db_type: Which database.
        values: Text of each key as a provider gave it; an empty text is missing.
        overrides: What ``pipeline.yml`` says; a variable of the environment wins over it.
        names: Variable of each key, for messages.
        where: Where the variables come from, for messages.
    """
    faults: list[Fault] = []
    lacking = [names[key] for key in REQUIRED_KEYS if not values.get(key)]
    missing = tuple(Fault(f"{name} is missing", where, f"{name}=…") for name in lacking)
    config: dict[str, Any] = {key: values.get(key) or None for key in REQUIRED_KEYS}
    if config["password"] is not None:
        config["password"] = Secret(config["password"])
    config["port"] = _read_port(db_type, values.get("port"), names["port"], where, faults)
    if db_type is DatabaseType.ANALYTICS:
        config["schema"] = _read_schema(values.get("schema"), names["schema"], where, faults)
    config |= {
        "pool_size": DEFAULT_POOL_SIZE,
        "max_overflow": DEFAULT_MAX_OVERFLOW,
        "pool_timeout": DEFAULT_POOL_TIMEOUT,
        "pool_recycle": DEFAULT_POOL_RECYCLE,
        "connect_timeout": DEFAULT_CONNECT_TIMEOUT,
    }
    config |= {key: value for key, value in overrides.items() if value is not None}
    for key in ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key"):
        if values.get(key):
            config[key] = values[key]
    _check_tls(db_type, config, names, where, faults)
    return Resolved(config, missing, tuple(faults))


def _read_port(
    db_type: DatabaseType, text: str | None, name: str, where: str, faults: list[Fault]
) -> int | None:
    if not text:
        return DEFAULT_PORTS[db_type]
    text = str(text).strip()
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 65535:
        return int(text)
    fix = f"{name}={DEFAULT_PORTS[db_type]}"
    faults.append(Fault(f"{name}: expected a port from 1 to 65535", where, fix))
    return None


def _read_schema(text: str | None, name: str, where: str, faults: list[Fault]) -> str | None:
    known = [schema.value for schema in PostgresSchema]
    if not text:
        return PostgresSchema.RAW.value
    if text in known:
        return text
    near = difflib.get_close_matches(text.lower(), known, n=1)
    fix = f"{name}={near[0] if near else known[0]}"
    faults.append(Fault(f"{name}: expected one of {', '.join(known)}", where, fix))
    return None


def _check_tls(
    db_type: DatabaseType,
    config: dict[str, Any],
    names: Mapping[str, str],
    where: str,
    faults: list[Fault],
) -> None:
    """Settle ``ssl_mode``: a certificate authority that is named is also used to verify."""
    is_postgres = db_type is DatabaseType.ANALYTICS
    known = POSTGRES_SSL_MODES if is_postgres else MYSQL_SSL_MODES
    off, opportunistic, on, verify = (
        ("disable", "prefer", "require", "verify-ca")
        if is_postgres
        else ("disabled", "preferred", "required", "verify_ca")
    )
    mode = config.get("ssl_mode")
    if mode is None:
        has_pair = "ssl_cert" in config
        config["ssl_mode"] = verify if "ssl_ca" in config else on if has_pair else opportunistic
    else:
        config["ssl_mode"] = str(mode).strip().lower()
        if config["ssl_mode"] not in known:
            what = f"{names['ssl_mode']}: expected one of {', '.join(known)}"
            near = difflib.get_close_matches(config["ssl_mode"], known, n=1)
            faults.append(Fault(what, where, f"{names['ssl_mode']}={near[0] if near else on}"))
            config["ssl_mode"] = None
    mode = config["ssl_mode"]
    if "ssl_key" in config and "ssl_cert" not in config:
        what = f"{names['ssl_key']} needs {names['ssl_cert']}"
        faults.append(Fault(what, where, f"{names['ssl_cert']}=/path/to/client.pem"))
    files = [names[key] for key in ("ssl_ca", "ssl_cert") if key in config]
    if files and mode in (off, opportunistic, "allow"):
        what = f"{' and '.join(files)} would not be used with ssl_mode {mode}"
        faults.append(Fault(what, where, f"{names['ssl_mode']}={verify}"))


def is_this_machine(host: str) -> bool:
    """True if data sent to *host* stays on this machine, as far as its spelling tells.

    True for a loopback address, a name that stands for one everywhere, and the folder of a socket.
    """
    host = host.strip().casefold().rstrip(".").removeprefix("[").removesuffix("]")
    if host in _LOOPBACK_NAMES or host.startswith("/"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def find_shared_database(source: Mapping[str, Any], replication: Mapping[str, Any]) -> str | None:
    """``host:port/database`` if both configurations name the same database, else None.

    All names of this machine count as one host; host and database are compared without case,
    as MySQL on Windows does.
    """
    if any(not config.get(key) for config in (source, replication) for key in _PLACE):
        return None
    if _place(source) != _place(replication):
        return None
    return f"{source['host']}:{source['port']}/{source['database']}"


_PLACE = ("host", "port", "database")


def _place(config: Mapping[str, Any]) -> tuple[str, int, str]:
    host = str(config["host"]).strip().casefold().rstrip(".")
    if is_this_machine(host):
        host = "localhost"
    return host, int(config["port"]), str(config["database"]).casefold()


def make_reader(
    values: Mapping[str, Any], names: Mapping[str, str], bare_names: Mapping[str, str] | None
) -> Callable[[str], str | None]:
    """Return a function that looks up a key by its name, else by its bare name if allowed."""

    def read(key: str) -> str | None:
        found = values.get(names[key])
        if not found and bare_names is not None:
            found = values.get(bare_names[key])
        return found or None

    return read
