"""Production and collections of months, by clinic and by provider, with what an hour produced.

The amounts are those of the report Production and Income; hours are those of the schedule.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning import facts, schedules
from tests.transform.reckoning.books import NOTHING, Judges, read_practice_day, share
from tests.transform.reckoning.production_income import reckon_days

COLUMNS = ("production", "net_production", "collections")

Row = tuple[Any, ...]


def _sum_months(
    analytics: PostgresConnection, *, by_clinic: bool
) -> dict[tuple[dt.date, int], dict[str, Decimal]]:
    """By month, and by clinic or provider."""
    found: defaultdict[tuple[dt.date, int], dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(COLUMNS, NOTHING)
    )
    for (day, provider, clinic), amounts in reckon_days(analytics).items():
        cell = found[day.replace(day=1), clinic if by_clinic else provider]
        for column in COLUMNS:
            cell[column] += amounts.get(column, NOTHING)
    return found


def reckon_ratio(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Row]:
    """Production, collections, and how much the one is of the other, by month and clinic."""
    return {
        key: (*cell.values(), share(cell["collections"], cell["net_production"]))
        for key, cell in _sum_months(analytics, by_clinic=True).items()
        if any(cell.values())
    }


def read_ratio(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Row]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, gross_production, net_production, collections, "
        b"collection_ratio FROM marts.collection_ratio_by_month"
    )
    return {row[:2]: row[2:] for row in rows if any(row[2:5])}


def reckon_providers(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Row]:
    """Amounts, hours, what an hour produced and was to produce, by month and provider."""
    today = read_practice_day(analytics)
    goals = facts.reckon_providers(analytics)
    minutes: defaultdict[tuple[dt.date, int], int] = defaultdict(int)
    for (day, provider), worked in schedules.reckon_hours(analytics).items():
        if day <= today:
            minutes[day.replace(day=1), provider] += worked
    amounts = _sum_months(analytics, by_clinic=False)
    found = {}
    for key in amounts.keys() | minutes.keys():
        cell = amounts[key]
        if any(cell.values()) or minutes[key]:
            found[key] = (
                *cell.values(),
                share(minutes[key], 60, places=2),
                share(60 * cell["production"], minutes[key], places=2),
                *goals.get(key[1], (None,)),
            )
    return found


def read_providers(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Row]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, provider_id, gross_production, net_production, collections, "
        b"offered_hours, production_per_hour, hourly_goal FROM marts.provider_performance"
    )
    return {row[:2]: row[2:] for row in rows if any(row[2:6])}


JUDGES: Judges = (
    ("collection ratio", reckon_ratio, read_ratio),
    ("provider performance", reckon_providers, read_providers),
)
