"""Rows of ``raw``, as OpenDental's own reports see them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from etl_pipeline.demo.server_databases import PostgresConnection

NO_DATE = dt.date(1900, 1, 1)
"""What is not later than this stands for no date."""

Judges = tuple[tuple[str, Callable[..., Any], Callable[..., Any]], ...]
"""By name: the reckoning of ``raw``, and what the marts say, both of a connection."""


def read_rows(analytics: PostgresConnection, table: str, *columns: str) -> list[Any]:
    """Rows of a table of ``raw``; each has the columns as attributes."""
    row_type = NamedTuple(table, [(column, Any) for column in columns])  # type: ignore[misc]
    names = ", ".join(f'"{column}"' for column in columns)
    rows = analytics.execute(f"SELECT {names} FROM raw.{table}".encode()).fetchall()
    return [row_type(*row) for row in rows]


def read_practice_day(analytics: PostgresConnection) -> dt.date:
    """The day that the marts have as today."""
    ((day,),) = analytics.execute(b"SELECT as_of_date FROM intermediate.int_practice_day")
    return day  # type: ignore[no-any-return]


def read_hidden_types(analytics: PostgresConnection) -> set[int]:
    """Unearned types (list 29) whose definition has a value: their money counts nowhere."""
    rows = read_rows(analytics, "definition", "DefNum", "Category", "ItemValue")
    return {row.DefNum for row in rows if row.Category == 29 and row.ItemValue}


def cents(amount: float) -> Decimal:
    """A double as money: 15 significant digits, halves away from zero."""
    return Decimal(f"{amount:.15g}").quantize(Decimal("0.01"), ROUND_HALF_UP)
