"""Every table that the source has had, in ``etl.source_table``. Nothing here commits."""

from __future__ import annotations

from collections.abc import Collection

import psycopg

from etl_pipeline.state.records import KnownTables


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
