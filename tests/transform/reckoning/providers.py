"""Production of a visit, and where a provider stands among dentists or hygienists.

A visit is a patient and day on the ledger, so two procedures of a day are one. Quartiles are
those of what each peer produced in an hour and in a visit, interpolated.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, cents, read_rows, share
from tests.transform.reckoning.desk_patients import COMPLETE
from tests.transform.reckoning.performance import reckon_providers

Month = tuple[dt.date, int]
Quartiles = tuple[Decimal | None, ...]
PRODUCTION, PER_HOUR = 0, 4
"""Places in a row of the reckoning of providers."""


def _quartiles(values: list[Decimal]) -> Quartiles:
    ordered = [float(value) for value in sorted(values)]
    if not ordered:
        return None, None, None
    found = []
    for part in (0.25, 0.5, 0.75):
        place = part * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        found.append(cents(ordered[low] + (place - low) * (ordered[high] - ordered[low])))
    return tuple(found)


def reckon_visits(analytics: PostgresConnection) -> dict[Month, tuple[int, Decimal | None]]:
    """Visits, and what one produced, by month and provider."""
    broken = {
        row.CodeNum
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode")
        if row.ProcCode in ("D9986", "D9987")
    }
    visits: defaultdict[Month, set[tuple[int, dt.date]]] = defaultdict(set)
    for row in read_rows(
        analytics, "procedurelog", "PatNum", "ProvNum", "ProcStatus", "ProcDate", "CodeNum"
    ):
        is_visit = row.ProcStatus == COMPLETE and row.CodeNum not in broken
        if is_visit and row.ProcDate > NO_DATE:
            visits[row.ProcDate.replace(day=1), row.ProvNum].add((row.PatNum, row.ProcDate))
    amounts = reckon_providers(analytics)
    return {
        key: (len(found), share(amounts[key][PRODUCTION] if key in amounts else 0, len(found), 2))
        for key, found in visits.items()
    }


def read_visits(analytics: PostgresConnection) -> dict[Month, tuple[int, Decimal | None]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, provider_id, patient_visits, production_per_visit "
        b"FROM marts.provider_performance WHERE patient_visits > 0"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


def reckon_quartiles(analytics: PostgresConnection) -> set[tuple[dt.date, bool, Quartiles]]:
    """By month, of dentists and of hygienists: quartiles of an hour and of a visit."""
    kinds = {
        row.ProvNum: row.IsSecondary != 0
        for row in read_rows(analytics, "provider", "ProvNum", "IsSecondary", "IsNotPerson")
        if not row.IsNotPerson
    }
    values: defaultdict[tuple[dt.date, bool], tuple[list[Decimal], list[Decimal]]]
    values = defaultdict(lambda: ([], []))
    for (month, provider), row in reckon_providers(analytics).items():
        if provider in kinds and row[PER_HOUR] is not None:
            values[month, kinds[provider]][0].append(row[PER_HOUR])
    for (month, provider), (_, produced) in reckon_visits(analytics).items():
        if provider in kinds and produced is not None:
            values[month, kinds[provider]][1].append(produced)
    return {
        (month, kind, (*_quartiles(hours), *_quartiles(visits)))
        for (month, kind), (hours, visits) in values.items()
    }


def read_quartiles(analytics: PostgresConnection) -> set[tuple[dt.date, bool, Quartiles]]:
    """The same as the mart has it."""
    quartiles = ", ".join(
        f"production_per_{measure}_p{place}"
        for measure in ("hour", "visit")
        for place in (25, 50, 75)
    )
    rows = analytics.execute(
        f"SELECT month_start, is_hygienist, {quartiles} FROM marts.provider_performance "
        f"WHERE num_nonnulls({quartiles}) > 0".encode()
    ).fetchall()
    return {(row[0], row[1], tuple(row[2:])) for row in rows}


JUDGES: Judges = (
    ("production of a visit", reckon_visits, read_visits),
    ("quartiles of providers", reckon_quartiles, read_quartiles),
)
