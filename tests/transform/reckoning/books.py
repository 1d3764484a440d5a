"""Rows of ``raw``, as OpenDental's own reports see them."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple, TypeVar

from etl_pipeline.demo.server_databases import PostgresConnection

NO_DATE = dt.date(1900, 1, 1)
"""What is not later than this stands for no date."""

NOTHING = Decimal("0.00")

Judge = tuple[str, Callable[..., Any], Callable[..., Any]]
"""A name, the reckoning of ``raw``, and what the marts say, both of a connection."""

Judges = tuple[Judge, ...]

DEFAULTS = {
    "PayPlansVersion": "2",
    "ReportsPPOwriteoffDefaultToProcDate": "0",
    "ReportPandIschedProdSubtractsWO": "0",
    "BrokenAppointmentAdjustmentType": "0",
}
"""What OpenDental does where the practice chose nothing."""

Reckoned = TypeVar("Reckoned")

_shared: dict[tuple[Callable[..., Any], int], Any] | None = None


@contextmanager
def unchanged_books() -> Iterator[None]:
    """Say that ``raw`` stays as it is: what several judges need is reckoned once."""
    global _shared
    _shared = {}
    try:
        yield
    finally:
        _shared = None


def reckon_once(
    reckon: Callable[[PostgresConnection], Reckoned],
) -> Callable[[PostgresConnection], Reckoned]:
    """Return *reckon*, whose result is kept while the books are unchanged."""

    @functools.wraps(reckon, updated=())
    def reckon_or_recall(analytics: PostgresConnection) -> Reckoned:
        if _shared is None:
            return reckon(analytics)
        key = (reckon, id(analytics))
        if key not in _shared:
            _shared[key] = reckon(analytics)
        found: Reckoned = _shared[key]
        return found

    return reckon_or_recall


def read_rows(analytics: PostgresConnection, table: str, *columns: str) -> list[Any]:
    """Rows of a table of ``raw``; each has the columns as attributes."""
    row_type = NamedTuple(table, [(column, Any) for column in columns])  # type: ignore[misc]
    names = ", ".join(f'"{column}"' for column in columns)
    # A cursor gives its rows one by one, so that a large table is not there twice.
    return list(map(row_type._make, analytics.execute(f"SELECT {names} FROM raw.{table}".encode())))


def read_practice_day(analytics: PostgresConnection) -> dt.date:
    """The day that the marts have as today."""
    ((day,),) = analytics.execute(b"SELECT as_of_date FROM intermediate.int_practice_day")
    return day  # type: ignore[no-any-return]


def read_preferences(analytics: PostgresConnection) -> dict[str, str]:
    """What the practice chose; a value that is empty is none, and the table may be missing."""
    if analytics.execute(b"SELECT to_regclass('raw.preference')").fetchone() == (None,):
        return DEFAULTS
    rows = read_rows(analytics, "preference", "PrefName", "ValueString")
    return DEFAULTS | {row.PrefName: row.ValueString for row in rows if row.ValueString}


def read_hidden_types(analytics: PostgresConnection) -> set[int]:
    """Unearned types (list 29) whose definition has a value: their money counts nowhere."""
    rows = read_rows(analytics, "definition", "DefNum", "Category", "ItemValue")
    return {row.DefNum for row in rows if row.Category == 29 and row.ItemValue}


@functools.lru_cache(maxsize=100_000)
def cents(amount: float) -> Decimal:
    """A double as money: 15 significant digits, halves away from zero."""
    return Decimal(f"{amount:.15g}").quantize(Decimal("0.01"), ROUND_HALF_UP)


def share(part: Decimal | int, whole: Decimal | int, places: int = 4) -> Decimal | None:
    """A rate, with halves away from zero; of nothing there is none."""
    if not whole:
        return None
    quotient = Decimal(part) / Decimal(whole)
    return quotient.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
