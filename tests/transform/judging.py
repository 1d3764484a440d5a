"""The marts beside the reckoning, and their whole content in short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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


def digest_models(
    analytics: PostgresConnection, *, with_inputs: bool = False
) -> dict[str, tuple[int, Any]]:
    """Return the rows of each table of the models and a digest of all their values.

    The order of rows does not count, nor do columns of ours (``_etl_...``). Views hold nothing of
    their own.

    Args:
        analytics: A connection to the warehouse.
        with_inputs: Also of the tables (``_etl_...``) that say what the models read beside raw.
    """

    def ask(statement: str) -> list[tuple[Any, ...]]:
        return analytics.execute(statement.encode()).fetchall()

    return digest_by(ask, with_inputs=with_inputs)


def digest_by(
    ask: Callable[[str], list[tuple[Any, ...]]], *, with_inputs: bool = False
) -> dict[str, tuple[int, Any]]:
    """Return what ``digest_models`` does; *ask* returns the rows of a statement."""
    inputs = "" if with_inputs else "AND c.relname NOT LIKE '\\_etl\\_%' "
    statements = ask(
        "SELECT format('%I.%I', n.nspname, c.relname), "
        "format('SELECT count(*), sum(hashtextextended(row(%s)::text, 0)::numeric)::text "
        "FROM %I.%I', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), n.nspname, "
        "c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE n.nspname IN ('intermediate', 'marts') AND c.relkind = 'r' "
        "AND c.relname NOT LIKE '%\\_\\_before%' " + inputs + "AND a.attname NOT LIKE '\\_etl\\_%' "
        "GROUP BY n.nspname, c.relname ORDER BY 1"
    )
    return {name: (count, total) for name, each in statements for count, total in ask(each)}


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
