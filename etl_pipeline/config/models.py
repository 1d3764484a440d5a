"""What ``pipeline.yml`` and ``tables.yml`` may hold. A key that is not here is a fault."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MysqlSslMode = Literal["disabled", "preferred", "required", "verify_ca", "verify_identity"]
PostgresSslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
MYSQL_SSL_MODES: tuple[str, ...] = get_args(MysqlSslMode)
POSTGRES_SSL_MODES: tuple[str, ...] = get_args(PostgresSslMode)
ExtractionStrategy = Literal["full_table", "fingerprint", "incremental", "append_only"]
TableImportance = Literal["critical", "important", "standard"]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _fill(value: object) -> object:
    # A section whose keys are all commented out reads as None in YAML.
    return {} if value is None else value


Section = BeforeValidator(_fill)
Count = Annotated[int, Field(ge=1)]
# A year is the longest time that PyMySQL accepts, and shorter than every server's own limit.
Seconds = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(ge=1, le=31_536_000)]
Text = Annotated[str, StringConstraints(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Connection(_Model):
    pool_size: Count | None = None
    max_overflow: Annotated[int, Field(ge=0)] | None = None
    pool_timeout: Seconds | None = None
    pool_recycle: WholeSeconds | None = None
    connect_timeout: WholeSeconds | None = None
    ssl_ca: Text | None = None
    ssl_cert: Text | None = None
    ssl_key: Text | None = None


class MysqlConnection(_Connection):
    """Overrides for source or replication; None leaves the default."""

    read_timeout: Seconds | None = None
    write_timeout: Seconds | None = None
    # Any other character set loses characters on the way.
    charset: Literal["utf8mb4"] | None = None
    ssl_mode: Annotated[MysqlSslMode, BeforeValidator(_lower)] | None = None


class PostgresConnection(_Connection):
    """Overrides for analytics; None leaves the default."""

    application_name: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    ssl_mode: Annotated[PostgresSslMode, BeforeValidator(_lower)] | None = None


class Connections(_Model):
    """Overrides for each database."""

    source: Annotated[MysqlConnection, Section] = MysqlConnection()
    replication: Annotated[MysqlConnection, Section] = MysqlConnection()
    analytics: Annotated[PostgresConnection, Section] = PostgresConnection()


class General(_Model):
    """How a run behaves."""

    parallel_tables: Count | None = None
    """Tables worked on at once; None is the number of cores."""


class Source(_Model):
    """What the source server is spared."""

    max_seconds_per_statement: Seconds = 60.0
    """Hard limit that every session at the source carries."""
    connections: Count | None = None
    """Chunks read at once; None is the number of cores."""


class PipelineConfig(_Model):
    """``pipeline.yml``."""

    connections: Annotated[Connections, Section] = Connections()
    general: Annotated[General, Section] = General()
    source: Annotated[Source, Section] = Source()


ColumnType = Literal[
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "text",
    "json",
    "jsonb",
    "uuid",
    "inet",
]


class ColumnConfig(_Model):
    """One column of a table of ``tables.yml``."""

    type: ColumnType | None = None
    """Its type in ``raw``; None is the type of the table of types."""
    exclude: bool = False
    """Whether it is left out of replication and ``raw``."""


class TableConfig(_Model):
    """One table of ``tables.yml``; None means that nothing was said."""

    incremental_column: Text | None = None
    batch_size: Count | None = None
    extraction_strategy: ExtractionStrategy | None = None
    table_importance: TableImportance = "standard"
    estimated_size_mb: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    estimated_rows: Annotated[int, Field(ge=0)] | None = None
    columns: Annotated[dict[Text, Annotated[ColumnConfig, Section]], Section] = Field(
        default_factory=dict
    )


class TablesConfig(_Model):
    """``tables.yml``: the tables to carry, by name. None at all means every table."""

    tables: Annotated[dict[Text, Annotated[TableConfig, Section]], Section] = Field(
        default_factory=dict
    )
