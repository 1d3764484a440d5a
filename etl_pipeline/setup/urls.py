"""Read the variables of an environment from the URLs of its three databases (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from etl_pipeline.config.databases import ENV_MAPPINGS, DatabaseType
from etl_pipeline.errors import ConfigurationError

_SCHEMES: Final[Mapping[DatabaseType, tuple[str, ...]]] = {
    DatabaseType.SOURCE: ("mysql", "mariadb"),
    DatabaseType.REPLICATION: ("mysql", "mariadb"),
    DatabaseType.ANALYTICS: ("postgresql", "postgres"),
}
_TLS_KEYS: Final[Mapping[str, str]] = {
    **{key: key for key in ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key")},
    "ssl-mode": "ssl_mode",
    "ssl-ca": "ssl_ca",
    "ssl-cert": "ssl_cert",
    "ssl-key": "ssl_key",
    "sslmode": "ssl_mode",
    "sslrootcert": "ssl_ca",
    "sslcert": "ssl_cert",
    "sslkey": "ssl_key",
}


def read_urls(urls: Sequence[str], environment: str) -> dict[str, str]:
    """Return the names and values for ``.env_<environment>``.

    Args:
        urls: URLs of source, replication and analytics. A part that a URL lacks is left out.
        environment: ``production`` or ``test``.

    Raises:
        ConfigurationError: A URL is not one of its database's; it is never quoted.
    """
    values: dict[str, str] = {}
    for db_type, url in zip(DatabaseType, urls, strict=True):
        names = ENV_MAPPINGS[environment][db_type]
        values |= {names[key]: value for key, value in _read(db_type, url).items()}
    return values


def _read(db_type: DatabaseType, url: str) -> dict[str, str]:
    schemes = _SCHEMES[db_type]
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _refuse(db_type, "it cannot be read") from None
    if parts.scheme.split("+")[0] not in schemes:
        raise _refuse(db_type, f"it does not begin with {schemes[0]}://")
    if not host:
        raise _refuse(db_type, "it names no host")
    values = {
        "host": unquote(host),
        "port": str(port) if port else "",
        "database": unquote(parts.path.lstrip("/")),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
    for key, value in parse_qsl(parts.query):
        if key not in _TLS_KEYS:
            raise _refuse(db_type, "after the question mark only ssl_mode, ssl_ca and so on may be")
        values[_TLS_KEYS[key]] = value
    return {key: value for key, value in values.items() if value}


def _refuse(db_type: DatabaseType, what: str) -> ConfigurationError:
    scheme = _SCHEMES[db_type][0]
    return ConfigurationError(
        what,
        where=f"--from-url, the one of {db_type.value}",
        fix=f"{scheme}://USER:PASSWORD@HOST:PORT/DATABASE, with @ : / ? # % in them as %40 %3A "
        "%2F %3F %23 %25",
    )
