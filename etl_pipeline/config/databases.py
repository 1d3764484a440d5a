"""The three databases, the warehouse's schemas, and the variables that describe them."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping


class DatabaseType(Enum):
    """The databases of the pipeline."""

    SOURCE = "source"
    REPLICATION = "replication"
    ANALYTICS = "analytics"


class PostgresSchema(Enum):
    """The schemas of the analytics database."""

    RAW = "raw"
    STAGING = "staging"
    INTERMEDIATE = "intermediate"
    MARTS = "marts"


PRODUCTION: Final = "production"
TEST: Final = "test"
ENVIRONMENTS: Final = (PRODUCTION, TEST)
ENVIRONMENT_VARIABLE: Final = "ETL_ENVIRONMENT"
CONFIG_DIR_VARIABLE: Final = "ETL_CONFIG_DIR"
PREFIXES: Final[Mapping[str, str]] = MappingProxyType({PRODUCTION: "", TEST: "TEST_"})

FAMILIES: Final[Mapping[DatabaseType, str]] = MappingProxyType(
    {
        DatabaseType.SOURCE: "OPENDENTAL_SOURCE_",
        DatabaseType.REPLICATION: "MYSQL_REPLICATION_",
        DatabaseType.ANALYTICS: "POSTGRES_ANALYTICS_",
    }
)
REQUIRED_KEYS: Final = ("host", "database", "user", "password")
DEFAULT_PORTS: Final[Mapping[DatabaseType, int]] = MappingProxyType(
    {DatabaseType.SOURCE: 3306, DatabaseType.REPLICATION: 3306, DatabaseType.ANALYTICS: 5432}
)
MysqlSslMode = Literal["disabled", "preferred", "required", "verify_ca", "verify_identity"]
PostgresSslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
MYSQL_SSL_MODES: Final[tuple[str, ...]] = get_args(MysqlSslMode)
POSTGRES_SSL_MODES: Final[tuple[str, ...]] = get_args(PostgresSslMode)
_ENDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "host": "HOST",
        "port": "PORT",
        "database": "DB",
        "user": "USER",
        "password": "PASSWORD",
        "ssl_mode": "SSL_MODE",
        "ssl_ca": "SSL_CA",
        "ssl_cert": "SSL_CERT",
        "ssl_key": "SSL_KEY",
    }
)


def _map_variables(prefix: str) -> Mapping[DatabaseType, Mapping[str, str]]:
    mapping: dict[DatabaseType, Mapping[str, str]] = {}
    for db_type, family in FAMILIES.items():
        names = {key: f"{prefix}{family}{ending}" for key, ending in _ENDINGS.items()}
        if db_type is DatabaseType.ANALYTICS:
            names["schema"] = f"{prefix}{family}SCHEMA"
        mapping[db_type] = MappingProxyType(names)
    return MappingProxyType(mapping)


ENV_MAPPINGS: Final[Mapping[str, Mapping[DatabaseType, Mapping[str, str]]]] = MappingProxyType(
    {environment: _map_variables(PREFIXES[environment]) for environment in ENVIRONMENTS}
)


def list_variables(environment: str) -> tuple[str, ...]:
    """Every variable that *environment* may hold, in the order of the databases."""
    return tuple(name for names in ENV_MAPPINGS[environment].values() for name in names.values())
