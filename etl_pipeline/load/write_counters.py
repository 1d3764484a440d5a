"""PostgreSQL's own counters of the tables of ``raw``: whether somebody else has written there.

They say that rows were written, not which, nor whether to any effect: a rollback counts as well.
So they never accuse; where they are not what our own writes explain, the table is digested anew.
A session hands in what it has counted up to ten seconds late, so what they hide today they show
to the next run. What they cannot show (``track_counts`` off) is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace

import psycopg


@dataclass(frozen=True, slots=True)
class Counters:
    """What PostgreSQL has counted of a table.

    Attributes:
        relation: Its oid; a table that was dropped and made again has another.
        filenode: Its file; TRUNCATE and whatever rewrites a table make another.
        inserted: Rows since *counting_since*; so are *updated* and *deleted*.
        counting_since: When the counters of the database, and of the server, were last reset; a
            crash resets the latter.
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


_READ = """
SELECT c.relname, c.oid::bigint, pg_relation_filenode(c.oid)::bigint,
       pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
       pg_stat_get_tuples_deleted(c.oid),
       (SELECT concat_ws(' ', extract(epoch FROM d.stats_reset), extract(epoch FROM b.stats_reset))
        FROM pg_stat_database d, pg_stat_bgwriter b WHERE d.datname = current_database())
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind = 'r'
      AND current_setting('track_counts')::boolean"""


def read_counters(analytics: psycopg.Connection, schema: str) -> dict[str, Counters]:
    """The counters of each table of *schema*, in one query; not of those that have parts.

    *analytics* is in autocommit mode: a transaction would see them as they were at its first look.
    """
    rows = analytics.execute(_READ, (schema,)).fetchall()
    return {name: Counters(*counted) for name, *counted in rows}


def expect_counters(
    before: Counters | None, now: Counters | None, ours: OurWrites
) -> Counters | None:
    """*now*, if it is what *ours* made of *before*; None where it is not, or cannot be known.

    A table that is another one than *before* was made by the run, and counts from zero.
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
    """What the last run left of each table, by its name in ``raw``."""
    rows = analytics.execute(
        "SELECT relation_name, relation, filenode, inserted, updated, deleted, counting_since "
        "FROM etl.raw_counter"
    ).fetchall()
    return {name: Counters(*counted) for name, *counted in rows}


def write_expected(
    analytics: psycopg.Connection, known: Mapping[str, Counters], unknown: Iterable[str]
) -> None:
    """Replace what is expected of the tables of *known*; of those of *unknown* nothing is."""
    analytics.execute(
        "DELETE FROM etl.raw_counter WHERE relation_name = ANY(%s)", ([*known, *unknown],)
    )
    with analytics.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO etl.raw_counter (relation_name, relation, filenode, inserted, updated, "
            "deleted, counting_since) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(name, *astuple(counters)) for name, counters in known.items()],
        )


def hand_in(analytics: psycopg.Connection) -> None:
    """Have what this session counts handed in when its transaction ends, not seconds later."""
    if analytics.info.server_version >= 150_000:
        analytics.execute("SELECT pg_stat_force_next_flush()")
