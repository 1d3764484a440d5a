"""Three figures of the practice that an owner asks for first, and the query behind each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from etl_pipeline.config import Settings
from etl_pipeline.core import ConnectionFactory

_MONTH = "SELECT max(month_start) FROM {marts}.dim_date WHERE is_full_month"
_QUERIES = {
    "net production in {month}": (
        f"SELECT sum(net_production)\n  FROM {{marts}}.collection_ratio_by_month\n"
        f" WHERE month_start = ({_MONTH})"
    ),
    "collections in {month}": (
        f"SELECT sum(collections)\n  FROM {{marts}}.collection_ratio_by_month\n"
        f" WHERE month_start = ({_MONTH})"
    ),
    "owed for more than 90 days": "SELECT sum(balance_over_90)\n  FROM {marts}.accounts_receivable",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A sum of money with its name and its query."""

    name: str
    value: Decimal
    query: str


def list_queries(marts: str) -> Mapping[str, str]:
    """Return the query of each figure by name; the name still contains ``{month}``.

    *marts* is one of the four names of ``PostgresSchema``, so it needs no quotes.
    """
    return {name: query.format(marts=marts) for name, query in _QUERIES.items()}


def read_figures(settings: Settings) -> list[Figure]:
    """Read the figures from the marts."""
    marts = str(settings.get_analytics_marts_connection_config()["schema"])
    engine = ConnectionFactory.get_analytics_marts_connection(settings)
    try:
        with engine.connect() as connection:
            month: Any = connection.execute(text(_MONTH.format(marts=marts)))
            named = f"{month.scalar_one():%B %Y}"
            return [
                Figure(name.format(month=named), _read_sum(connection, query), query)
                for name, query in list_queries(marts).items()
            ]
    finally:
        engine.dispose()


def _read_sum(connection: Connection, query: str) -> Decimal:
    """Return the sum that *query* selects; a sum of no rows is 0."""
    value: Any = connection.execute(text(query)).scalar_one()
    return Decimal(0) if value is None else value
