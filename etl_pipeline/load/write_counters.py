"""Read PostgreSQL's counters of rows written to the tables of ``raw``, to find writes of others.

They tell that rows were written, not which, and a rollback counts as well. So they prove nothing:
where our own writes do not explain them, the table is digested again. A session reports what it
has counted up to ten seconds late, so a write that is missing in one run shows in the next. With
``track_counts`` off nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace

import psycopg


@dataclass(frozen=True, slots=True)
class Counters:
    """PostgreSQL's counters of a table.

    Attributes:
        relation: Its oid; another one after the table was dropped and created again.
        filenode: The number of its file; another one after TRUNCATE or a rewrite.
        inserted: Rows since *counting_since*; so are *updated* and *deleted*.
        counting_since: When the counters of the database and of the server were last reset; a
            crash resets those of the server.
    """

    relation: int
    filenode: int
    inserted: int
    updated: int
    deleted: int
    counting_since: str


@dataclass(frozen=True, slots=True)
class OurWrites:
    """Rows of a table that a run has written and committed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


COUNTING_SINCE = """(SELECT concat_ws(' ', extract(epoch FROM pg_stat_database.stats_reset),
                         extract(epoch FROM pg_stat_bgwriter.stats_reset))
        FROM pg_stat_database, pg_stat_bgwriter WHERE datname = current_database())"""
"""SQL of ``Counters.counting_since``."""
READ_COUNTERS = f"""
SELECT relation.relname, relation.oid::bigint, pg_relation_filenode(relation.oid)::bigint,
       pg_stat_get_tuples_inserted(relation.oid), pg_stat_get_tuples_updated(relation.oid),
       pg_stat_get_tuples_deleted(relation.oid),
       {COUNTING_SINCE}
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = %s AND relation.relkind = 'r'
      AND current_setting('track_counts')::boolean"""


def read_counters(analytics: psycopg.Connection, schema: str) -> dict[str, Counters]:
    """Return the counters of each table of *schema* that is not partitioned, in one query.

    *analytics* is in autocommit mode: a transaction sees them as they were when it first read them.
    """
    rows = analytics.execute(READ_COUNTERS, (schema,)).fetchall()
    return {name: Counters(*counted) for name, *counted in rows}


def expect_counters(
    before: Counters | None, now: Counters | None, ours: OurWrites
) -> Counters | None:
    """Return *now* if *before* and our writes explain it; None if not, or if it cannot be known.

    A table that is another one than *before* was created by the run, and counts from zero.
    """
    if now is None:
        return None
    if before is None or before.relation != now.relation:
        before = replace(now, inserted=0, updated=0, deleted=0)
    expected = replace(
        before,
        inserted=before.inserted + ours.inserted,
        updated=before.updated + ours.updated,
        deleted=before.deleted + ours.deleted,
    )
    return now if now == expected else None


def read_expected(analytics: psycopg.Connection) -> dict[str, Counters]:
    """Return the counters that the last run left, by the table's name in ``raw``."""
    rows = analytics.execute(
        "SELECT relation_name, relation, filenode, inserted, updated, deleted, counting_since "
        "FROM etl.raw_counter"
    ).fetchall()
    return {name: Counters(*counted) for name, *counted in rows}


def write_expected(
    analytics: psycopg.Connection, known: Mapping[str, Counters], unknown: Iterable[str]
) -> None:
    """Record the counters of *known* tables, and delete those of *unknown* ones."""
    analytics.execute(
        "DELETE FROM etl.raw_counter WHERE relation_name = ANY(%s)", ([*known, *unknown],)
    )
    with analytics.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO etl.raw_counter (relation_name, relation, filenode, inserted, updated, "
            "deleted, counting_since) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(name, *astuple(counters)) for name, counters in known.items()],
        )


def flush_counters(analytics: psycopg.Connection) -> None:
    """Make this session report its counts when its transaction ends, not seconds later."""
    if analytics.info.server_version >= 150_000:
        analytics.execute("SELECT pg_stat_force_next_flush()")
