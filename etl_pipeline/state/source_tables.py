"""Every table that the source has had, in ``etl.source_table``. Nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import psycopg


@dataclass(frozen=True, slots=True)
class KnownTables:
    """The source's tables, as they are recorded.

    Attributes:
        first_runs: The run that first saw each of them.
        gone: Those that a run missed, and none has seen since.
        columns: Of each loaded table, every column that was ever loaded, by the table's name.
    """

    first_runs: Mapping[str, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def later(self) -> frozenset[str]:
        """Tables that came after the first run of all."""
        first = min(self.first_runs.values(), default=0)
        return frozenset(name for name, run in self.first_runs.items() if run > first)


def read_known_tables(analytics: psycopg.Connection) -> KnownTables:
    """Return what is recorded; nothing where there is no state yet."""
    row = analytics.execute(
        "SELECT to_regclass('etl.source_table'), to_regclass('etl.table_schema')"
    ).fetchone()
    if row is None or None in row:
        return KnownTables()
    rows = analytics.execute(
        "SELECT table_name, first_run_id, gone_run_id FROM etl.source_table"
    ).fetchall()
    loaded = analytics.execute(
        # By way of JSON, since the state of an older version has other columns.
        "SELECT table_name, COALESCE(columns -> 'column_types', columns -> 'types'), "
        "COALESCE(columns -> 'kept_columns', columns -> 'kept') "
        "FROM etl.table_schema AS recorded, to_jsonb(recorded) AS columns"
    ).fetchall()
    return KnownTables(
        {name: first for name, first, _ in rows},
        frozenset(name for name, _, gone in rows if gone is not None),
        {name: frozenset([*types, *kept]) for name, types, kept in loaded},
    )


def record_tables(
    analytics: psycopg.Connection,
    run_id: int,
    *,
    seen: Collection[str],
    gone: Collection[str],
) -> None:
    """Record that a run saw the tables of *seen*, and missed those of *gone*."""
    analytics.execute(
        "INSERT INTO etl.source_table (table_name, first_run_id) "
        "SELECT name, %s FROM unnest(%s::text[]) AS name "
        "ON CONFLICT (table_name) DO UPDATE SET gone_run_id = NULL "
        "WHERE etl.source_table.gone_run_id IS NOT NULL",
        (run_id, list(seen)),
    )
    analytics.execute(
        "UPDATE etl.source_table SET gone_run_id = %s WHERE table_name = ANY(%s::text[])",
        (run_id, list(gone)),
    )
