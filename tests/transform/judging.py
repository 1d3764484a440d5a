"""The marts beside the reckoning, and their whole content in short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import Judge, unchanged_books


def judge_marts(
    analytics: PostgresConnection, judges: Sequence[Judge]
) -> dict[str, tuple[Any, Any]]:
    """Return, by the judge's name, what the reckoning says and what the marts say."""
    with unchanged_books():
        return {name: (reckon(analytics), read(analytics)) for name, reckon, read in judges}


def list_differences(reckoned: Any, mart: Any) -> dict[Any, tuple[Any, Any]]:
    """Return, by its key, what the two say where they differ."""
    if not isinstance(reckoned, dict) or not isinstance(mart, dict):
        return {} if reckoned == mart else {None: (reckoned, mart)}
    return {
        key: (reckoned.get(key), mart.get(key))
        for key in reckoned.keys() | mart.keys()
        if reckoned.get(key) != mart.get(key)
    }


def digest_models(analytics: PostgresConnection) -> dict[str, tuple[int, Any]]:
    """Return the rows of each table of the models and a digest of all their values.

    The order of rows does not count, nor do columns of ours (``_etl_...``). Views hold nothing of
    their own.
    """
    rows = analytics.execute(
        b"SELECT n.nspname::text, c.relname::text, array_agg(a.attname::text ORDER BY a.attnum) "
        b"FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        b"JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        b"WHERE n.nspname IN ('intermediate', 'marts') AND c.relkind = 'r' "
        b"AND c.relname NOT LIKE '%\\_\\_before%' AND c.relname NOT LIKE '\\_etl\\_%' "
        b"AND a.attname NOT LIKE '\\_etl\\_%' GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    found = {}
    for schema, table, columns in rows:
        digest = sql.SQL(
            "SELECT count(*), sum(hashtextextended(row({})::text, 0)::numeric) FROM {}"
        ).format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, table))
        ((count, total),) = analytics.execute(digest).fetchall()
        found[f"{schema}.{table}"] = (count, total)
    return found


def empty_models(analytics: PostgresConnection) -> None:
    """Empty every table of the models, so that a build makes each row from nothing.

    Months that are closed stay: no build makes them again.
    """
    rows = analytics.execute(
        b"SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace IN "
        b"('intermediate'::regnamespace, 'marts'::regnamespace) AND relname NOT LIKE '\\_etl%' "
        b"AND relname <> 'receivables_by_month'"
    ).fetchall()
    analytics.execute(f"TRUNCATE {', '.join(name for (name,) in rows)}".encode())
