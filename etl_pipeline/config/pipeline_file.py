"""Models of ``pipeline.yml``. A key that is not here is a fault."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from etl_pipeline.config.databases import MysqlSslMode, PostgresSslMode
from etl_pipeline.config.keys import (
    Count,
    Model,
    Seconds,
    Section,
    Text,
    WholeSeconds,
    fill_section,
    key,
)
from etl_pipeline.config.resolve import (
    DEFAULT_CONNECT_TIMEOUT,
    DEFAULT_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
    DEFAULT_POOL_SIZE,
    DEFAULT_POOL_TIMEOUT,
)
from etl_pipeline.config.window import WINDOW_PATTERN, parse_window

DriftWord = Literal["follow", "freeze"]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _check_window(value: str) -> str:
    # The words are those of checking.py, which goes by the kind of the error.
    try:
        parse_window(value)
    except ValueError:
        raise PydanticCustomError("window", "window") from None
    except KeyError:
        raise PydanticCustomError("time_zone", "time zone") from None
    return value


def _spell_out(value: object) -> object:
    # drift: freeze is drift: {policy: freeze}.
    return {"policy": value} if isinstance(value, str) else fill_section(value)


class _Connection(Model):
    pool_size: Count | None = key(
        "kept open", unit="connections", otherwise=DEFAULT_POOL_SIZE, example=10
    )
    max_overflow: Annotated[int, Field(ge=0)] | None = key(
        "opened on top under load", unit="connections", otherwise=DEFAULT_MAX_OVERFLOW, example=20
    )
    pool_timeout: Seconds | None = key(
        "wait for a free connection", unit="seconds", otherwise=DEFAULT_POOL_TIMEOUT, example=60
    )
    pool_recycle: WholeSeconds | None = key(
        "after which a connection is renewed; below the server's `wait_timeout`",
        unit="seconds",
        otherwise=DEFAULT_POOL_RECYCLE,
        example=600,
    )
    connect_timeout: WholeSeconds | None = key(
        "wait for the server to answer",
        unit="seconds",
        otherwise=DEFAULT_CONNECT_TIMEOUT,
        example=15,
    )
    ssl_ca: Text | None = key(
        "file: who signed the server's certificate", example="/etc/ssl/practice-ca.pem"
    )
    ssl_cert: Text | None = key("file: certificate of the client", example="/etc/ssl/etl.pem")
    ssl_key: Text | None = key("file: its key", example="/etc/ssl/private/etl.pem")
    allow_cleartext_password: bool | None = key(
        "whether a server that nothing proves to be the right one gets the password itself: see "
        "[passwords on the line](environment_setup.md#passwords-on-the-line)",
        otherwise="`false`",
        example=True,
    )


_TLS = "[encrypted connections](environment_setup.md#encrypted-connections)"


class MysqlConnectionConfig(_Connection):
    """Overrides for source or replication; None leaves the default."""

    read_timeout: Seconds | None = key(
        "silence after which a connection counts as lost",
        unit="seconds",
        otherwise="none; at the source, the limit of a statement + 30",
        example=45,
    )
    write_timeout: Seconds | None = key(
        "the same, when sending; rows to replication wait 90 s at most",
        unit="seconds",
        example=45,
    )
    charset: Literal["utf8mb4"] | None = key(
        "no other is allowed: it would lose characters", otherwise="`utf8mb4`", example="utf8mb4"
    )
    ssl_mode: Annotated[MysqlSslMode, BeforeValidator(_lower)] | None = key(
        _TLS,
        otherwise="`preferred`; `verify_ca` with `ssl_ca`; `required` with `ssl_cert` alone",
        example="verify_identity",
    )


class PostgresConnectionConfig(_Connection):
    """Overrides for analytics; None leaves the default."""

    application_name: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = key(
        "how the server calls the connections", otherwise="`etl_pipeline`", example="etl_nightly"
    )
    ssl_mode: Annotated[PostgresSslMode, BeforeValidator(_lower)] | None = key(
        _TLS,
        otherwise="`prefer`; `verify-ca` with `ssl_ca`; `require` with `ssl_cert` alone",
        example="verify-full",
    )


class Connections(Model):
    """Overrides for each database."""

    source: Annotated[MysqlConnectionConfig, Section] = Field(
        default=MysqlConnectionConfig(), description="connections to the practice's database"
    )
    replication: Annotated[MysqlConnectionConfig, Section] = Field(
        default=MysqlConnectionConfig(), description="connections to our copy"
    )
    analytics: Annotated[PostgresConnectionConfig, Section] = Field(
        default=PostgresConnectionConfig(), description="connections to the warehouse"
    )


class General(Model):
    """Settings of every run."""

    parallel_tables: Count | None = key(
        "worked on at once", unit="tables", otherwise="number of cores", example=4
    )
    history_days: Count = key(
        "age at which runs are taken out of the history; of each table the last that succeeded "
        "stays",
        unit="days",
        default=90,
        example=400,
    )


class Source(Model):
    """Limits on what a run asks of the source server."""

    max_seconds_per_statement: Seconds = key(
        "limit of a statement at the source, which the server itself enforces; what would take "
        "longer is read in pieces",
        unit="seconds",
        example=1,
        default=2.0,
    )
    digests_by: Literal["program", "servers"] = key(
        "who hashes the rows of an unchanged table: `servers` sends one row a chunk over the line "
        "instead of all, and costs the source more work; for a slow line to the source",
        default="program",
        example="servers",
    )
    connections: Count | None = key(
        "chunks read at once, of all tables together",
        unit="connections",
        otherwise="number of cores",
        example=2,
    )
    pause_ms: Annotated[int, Field(ge=0, le=3_600_000)] = key(
        "rest of each connection before it reads on", unit="milliseconds", default=0, example=100
    )
    max_threads_running: Count = key(
        "while the server's `Threads_running` is higher, ours included, nothing is begun",
        unit="threads",
        default=25,
        example=40,
    )
    max_replica_lag_seconds: Seconds = key(
        "while a source that is itself a replica is further behind, nothing is begun",
        unit="seconds",
        default=60.0,
        example=10,
    )
    window: (
        Annotated[
            str, AfterValidator(_check_window), Field(json_schema_extra={"pattern": WINDOW_PATTERN})
        ]
        | None
    ) = key(
        "hours in which `etl run` may read the source, by this machine's clock or that of a named "
        "[time zone](how_it_works.md#the-sources-window)",
        otherwise="always",
        example="21:00-06:00 America/Chicago",
    )


class Verify(Model):
    """Limits on how much a run compares again of what it did not write."""

    scrub_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] | None = key(
        "time for comparing, in each run, the parts of replication and of `raw` that were compared "
        "longest ago ([scrub](how_it_works.md#the-scrub)); 0 for none",
        unit="seconds",
        otherwise="a tenth of what the last run took",
        example=30,
    )


class Notify(Model):
    """Who hears of a run that has ended."""

    when: Literal["failure", "success", "always"] = key(
        "which ends are told; a run that is stopped counts as a failure",
        default="failure",
        example="always",
    )
    command: Annotated[list[Text], Field(min_length=1)] | None = key(
        "a program and its arguments; it gets the run's JSON on its standard input, has 60 "
        "seconds, and sees none of the variables that hold the databases; what it prints goes to "
        "stderr",
        example=["/usr/local/bin/tell-ann", "--subject", "etl"],
    )
    webhook: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = key(
        "a URL that gets the same JSON by POST; three attempts of 10 seconds each",
        example="https://chat.example.com/hooks/etl",
        is_secret=True,
    )


class Drift(Model):
    """Policy for a source whose schema is not the one that was loaded."""

    policy: DriftWord | None = key(
        "whether changes are followed, or refused with the statements that would follow them",
        otherwise="`follow`; of a table, what pipeline.yml says",
        example="freeze",
    )
    dropped: Literal["keep", "drop"] | None = key(
        "whether `raw` keeps a column that the source drops, or drops it too",
        otherwise="`keep`; of a table, what pipeline.yml says",
        example="drop",
    )


DriftSection = Annotated[
    Drift, BeforeValidator(_spell_out, json_schema_input_type=Drift | DriftWord | None)
]


class Transform(Model):
    """Settings of the models' build in the warehouse."""

    after_run: bool = key(
        "`etl run` ends with `etl transform`, if no table failed", example=True, default=False
    )
    folder: Text | None = key(
        "where dbt works, with the SQL that was sent; beside this file unless the path is absolute",
        otherwise="transform_target",
        example="/var/lib/etl_pipeline",
    )
    goals: Text | None = key(
        "a CSV file of yours with the [goals](transform.md#goals) of months and clinics; beside "
        "this file unless the path is absolute",
        example="goals.csv",
    )
    models_dir: Text | None = key(
        "folder of models of your own; beside this file unless the path is absolute",
        otherwise="models, if it is there",
        example="reports",
    )
    today: Literal["clock", "entries"] = key(
        "what decides the day that ages and due dates count from: the source's clock in the last "
        "run, or the newest entries, for a demo or a backup that was restored",
        example="entries",
        default="clock",
    )


class Follow(Model):
    """Pace of ``etl follow``."""

    batch_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = key(
        "time for which changes are collected before they are copied together",
        unit="seconds",
        default=1.0,
        example=5,
    )
    max_lag_seconds: Seconds = key(
        "how far `raw` may be behind the source before that is said",
        unit="seconds",
        default=60.0,
        example=300,
    )
    prove_at: (
        Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None
    ) = key(
        "when all tables are compared each day, by this machine's clock",
        otherwise="never; `etl follow --prove-now` does it",
        example="02:30",
    )


class PipelineConfig(Model):
    """``pipeline.yml``."""

    connections: Annotated[Connections, Section] = Field(
        default=Connections(), description="how each database is connected to"
    )
    general: Annotated[General, Section] = Field(default=General(), description="how a run behaves")
    source: Annotated[Source, Section] = Field(
        default=Source(), description="what the source server is spared"
    )
    verify: Annotated[Verify, Section] = Field(
        default=Verify(), description="what a run looks at again in our copies"
    )
    notify: Annotated[Notify, Section] = Field(
        default=Notify(), description="who hears of a run that has ended"
    )
    drift: DriftSection = Field(
        default=Drift(), description="what is done when the source's schema changed"
    )
    follow: Annotated[Follow, Section] = Field(
        default=Follow(), description="how the source's log is followed"
    )
    transform: Annotated[Transform, Section] = Field(
        default=Transform(), description="how models are built in the warehouse"
    )
