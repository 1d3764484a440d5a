"""Which reckoning judges which figure of the marts.

Nobody keeps a list. Every figure of the warehouse is falsified, a column at a time, in a
transaction that is rolled back: a cent, or the last digit of a rate, goes from one row to another,
which no total shows. A judge whose reading of the marts differs then is one that would notice.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import Judge

Register = Mapping[tuple[str, str], str | None]
"""Who judges a figure, by mart and column; None is nobody."""


@dataclass(frozen=True)
class Figure:
    """A column of a mart that is not a whole number: money, or what is derived from it.

    Attributes:
        mart: The table or view.
        column: Its column.
        key: The primary key; a view has none.
        step: The smallest difference that counts.
    """

    mart: str
    column: str
    key: tuple[str, ...]
    step: str


def read_figures(analytics: PostgresConnection) -> list[Figure]:
    """Return the figures of every mart, as the warehouse has them."""
    rows = analytics.execute(
        b"SELECT c.table_name::text, c.column_name::text, ARRAY(SELECT a.attname::text "
        b"FROM pg_index AS i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) "
        b"JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
        b"WHERE i.indisprimary AND i.indrelid = format('marts.%I', c.table_name)::regclass "
        b"ORDER BY k.place), c.numeric_scale "
        b"FROM information_schema.columns AS c WHERE c.table_schema = 'marts' "
        b"AND c.data_type IN ('numeric', 'double precision', 'real', 'money') "
        b"AND c.table_name NOT LIKE '%\\_\\_before%' AND c.column_name NOT LIKE '\\_etl\\_%' "
        b"ORDER BY c.table_name, c.ordinal_position"
    ).fetchall()
    return [
        Figure(mart, column, tuple(key), f"1e-{4 if scale is None else scale}")
        for mart, column, key, scale in rows
    ]


def find_judges(analytics: PostgresConnection, judges: Sequence[Judge]) -> Register:
    """Return for each figure of the marts a judge that notices when it is false."""
    hearings = sorted((_hear(analytics, judge) for judge in judges), key=lambda h: h.seconds)
    return {
        (figure.mart, figure.column): next(
            (hearing.name for hearing in hearings if _notices(analytics, figure, hearing)), None
        )
        for figure in read_figures(analytics)
    }


@dataclass(frozen=True)
class _Hearing:
    """What a judge reads of the marts as they are, in how many seconds and by which statements."""

    name: str
    read: Callable[..., Any]
    truth: Any
    statements: str
    seconds: float


def _hear(analytics: PostgresConnection, judge: Judge) -> _Hearing:
    name, _, read = judge
    recorder, started = _Recorder(analytics), time.monotonic()
    truth = read(recorder)
    seconds = time.monotonic() - started
    return _Hearing(name, read, truth, " ".join(recorder.statements), seconds)


class _Recorder:
    """A connection that notes what is sent through it."""

    def __init__(self, analytics: PostgresConnection) -> None:
        self._analytics = analytics
        self.statements: list[str] = []

    def execute(self, statement: bytes, *arguments: Any) -> Any:
        self.statements.append(statement.decode())
        return self._analytics.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._analytics, name)


def _notices(analytics: PostgresConnection, figure: Figure, hearing: _Hearing) -> bool:
    if not re.search(rf"\bmarts\.{figure.mart}\b", hearing.statements):
        return False
    with analytics.transaction(force_rollback=True):
        for statement in _falsify_row(figure) if figure.key else _falsify_view(analytics, figure):
            analytics.execute(statement)
        try:
            return bool(hearing.read(analytics) != hearing.truth)
        except AssertionError:
            return True


def _falsify_row(figure: Figure) -> Iterator[sql.Composed]:
    """A step goes from the last row to the first, by the key."""
    mart, column = sql.Identifier("marts", figure.mart), sql.Identifier(figure.column)
    first, last = (
        sql.SQL(", ").join(sql.SQL("{} " + order).format(sql.Identifier(c)) for c in figure.key)
        for order in ("ASC", "DESC")
    )
    end = sql.SQL("(SELECT ctid, {} AS step FROM {} WHERE {} IS NOT NULL ORDER BY {} LIMIT 1)")
    yield sql.SQL(
        "UPDATE {} AS t SET {} = t.{} + e.step FROM ({} UNION ALL {}) AS e WHERE t.ctid = e.ctid"
    ).format(
        mart,
        column,
        column,
        end.format(sql.SQL(figure.step), mart, column, first),
        end.format(sql.SQL("-" + figure.step), mart, column, last),
    )


def _falsify_view(analytics: PostgresConnection, figure: Figure) -> Iterator[sql.Composed]:
    """Another view, with a step more in every row, takes its place."""
    columns = analytics.execute(
        b"SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        b"ORDER BY attnum",
        (f"marts.{figure.mart}",),
    ).fetchall()
    view, true = sql.Identifier("marts", figure.mart), f"{figure.mart}__true"
    yield sql.SQL("ALTER VIEW {} RENAME TO {}").format(view, sql.Identifier(true))
    yield sql.SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(
        view,
        sql.SQL(", ").join(
            sql.SQL("{0} + " + figure.step + " AS {0}" if name == figure.column else "{0}").format(
                sql.Identifier(name)
            )
            for (name,) in columns
        ),
        sql.Identifier("marts", true),
    )
