"""The schema that ``raw`` was last loaded with, in ``etl.table_schema``. Nothing here commits."""

from __future__ import annotations

import json

import psycopg

from etl_pipeline.schema.loaded import LoadedTable, read_table_json, table_json


def read_loaded(analytics: psycopg.Connection, table: str) -> LoadedTable | None:
    """Return what *table* was last loaded with; None where that is not known."""
    state = analytics.execute("SELECT to_regclass('etl.table_schema')").fetchone()
    if state is None or state[0] is None:
        return None
    # By way of JSON, since the state of an older version has other columns.
    row = analytics.execute(
        "SELECT source, COALESCE(columns -> 'column_types', columns -> 'types'), "
        "COALESCE(columns -> 'kept_columns', columns -> 'kept'), "
        "COALESCE(columns ->> 'meaning_digest', columns ->> 'meaning') "
        "FROM etl.table_schema AS recorded, to_jsonb(recorded) AS columns WHERE table_name = %s",
        (table,),
    ).fetchone()
    return LoadedTable(read_table_json(row[0]), *row[1:]) if row else None


def write_loaded(analytics: psycopg.Connection, loaded: LoadedTable, run_id: int) -> None:
    """Record what a table was loaded with, in the transaction that loads it."""
    analytics.execute(
        "INSERT INTO etl.table_schema (table_name, source, column_types, kept_columns, "
        "meaning_digest, run_id) "
        "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (table_name) DO UPDATE SET "
        "source = excluded.source, column_types = excluded.column_types, "
        "kept_columns = excluded.kept_columns, meaning_digest = excluded.meaning_digest, "
        "run_id = excluded.run_id, loaded_at = clock_timestamp()",
        (
            loaded.table.name,
            table_json(loaded.table),
            json.dumps(dict(loaded.types)),
            json.dumps(dict(loaded.kept)),
            loaded.meaning,
            run_id,
        ),
    )
