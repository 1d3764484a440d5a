"""Refuse to copy one practice over another: compare the targets with the source before a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import psycopg
import pymysql
from sqlalchemy import Engine

from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases, lend_mysql, lend_postgres, place_of
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.pipeline.session import Session
from etl_pipeline.schema.catalog import Table
from etl_pipeline.state import origin
from etl_pipeline.state.oldest_rows import (
    OldRowMatch,
    compare_analytics,
    compare_replication,
    describe,
    is_same_practice,
)
from etl_pipeline.state.origin import Origin, TargetContents

FIX = (
    "where it is the same practice, moved or restored: etl run --accept-source; "
    "another practice needs databases of its own in the .env_… file"
)


@dataclass(frozen=True, slots=True)
class Origins:
    """The source, and what the replication database was a copy of before the run.

    Attributes:
        replication: As it was recorded; None where it was not.
        clock: What the source's clock shows, in its server's time zone.
        notes: Sentences about a source that is another one by name and the same by its rows.
    """

    source: Origin
    replication: Origin | None
    clock: datetime
    notes: tuple[str, ...] = ()


def refuse_other_source(session: Session, *, accepts: bool = False) -> Origins:
    """Refuse a source that the targets are no copy of; as ``check_origins``."""
    return check_origins(session.databases, session.stop, lambda: session.catalog, accepts=accepts)


def check_origins(
    databases: Databases,
    stop: Cancellation,
    read_catalog: Callable[[], Mapping[str, Table]],
    *,
    accepts: bool = False,
) -> Origins:
    """Check that the targets are a copy of this source; nothing is written.

    A target that holds no rows, or was filled from this very database of this server, is good.
    Else its oldest rows decide: see ``state/oldest_rows.py``.

    Args:
        databases: The three.
        stop: Ends the statement under way.
        read_catalog: The source's tables; called where rows are to be compared.
        accepts: True if the user wants the targets to become a copy of this source.

    Raises:
        ConfigurationError: A target is a copy of another database, or that cannot be ruled out.
        DatabaseError: A server refused or was lost.
    """
    try:
        with (
            lend_mysql(databases.source, stop) as source,
            lend_mysql(databases.replication, stop) as replication,
            lend_postgres(databases.analytics, stop) as analytics,
        ):
            seen = origin.read_source(source)
            now = seen.origin
            held = origin.read_replication(replication)
            stored = origin.read_analytics(analytics)
            of_replicas = partial(compare_replication, source, replication)
            of_raw = partial(compare_analytics, source, analytics, databases.schema)
            notes = []
            for engine, holding, compare in (
                (databases.replication, held, of_replicas),
                (databases.analytics, stored, of_raw),
            ):
                if holding.tables and holding.origin != now:
                    tables = () if accepts else _pick(read_catalog(), holding)
                    found = compare(tables)
                    notes.append(_judge(_name(databases, engine), holding, now, found, accepts))
    except (pymysql.err.MySQLError, psycopg.Error) as error:
        raise explain(error, "what the targets are a copy of") from error
    return Origins(now, held.origin, seen.clock, tuple(note for note in notes if note))


def _pick(catalog: Mapping[str, Table], holding: TargetContents) -> list[Table]:
    return [t for name, t in catalog.items() if name in holding.tables and not t.flaw]


def _name(databases: Databases, engine: Engine) -> str:
    return place_of(engine, "analytics" if engine is databases.analytics else "replication")


def _judge(
    place: str, holding: TargetContents, now: Origin, found: list[OldRowMatch], accepts: bool
) -> str | None:
    """Return a note on a source that may be copied; None where there is nothing to say.

    Raises:
        ConfigurationError: It may not be copied.
    """
    change = f"was a copy of {holding.describe()}, the source is {now}"
    if accepts:
        return f"{place} {change}: accepted, as was asked for"
    if not is_same_practice(found):
        raise ConfigurationError(
            f"{change.replace('was', 'is', 1)}: {describe(found)}", where=place, fix=FIX
        )
    return f"{place} {change}; {describe(found)}" if holding.origin else None
