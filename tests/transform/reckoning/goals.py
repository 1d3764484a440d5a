"""What the practice wants beside what there is; the figures are judged where they come from.

Goals are in no table of OpenDental: the practice's file says them, and tests read them there.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NOTHING, Judges, share

Month = tuple[dt.date, int]

ACTUAL = (
    "SELECT month_start, clinic_id, gross_production, net_production, collections, 0, 0 "
    "FROM marts.collection_ratio_by_month",
    "SELECT month_start, clinic_id, 0, 0, 0, new_patients, 0 FROM marts.new_patients_by_source",
    "SELECT month_start, clinic_id, 0, 0, 0, 0, hygiene_visits FROM marts.hygiene_by_month",
)


def reckon(analytics: PostgresConnection) -> dict[Month, tuple[Any, ...]]:
    """Actual figures, goals, and how far each is reached."""
    actual: dict[Month, list[Any]] = {}
    for query in ACTUAL:
        for row in analytics.execute(query.encode()).fetchall():
            cell = actual.setdefault(row[:2], [NOTHING, NOTHING, NOTHING, 0, 0])
            for place, number in enumerate(row[2:]):
                cell[place] += number
    goals = {
        row[:2]: row[2:]
        for row in analytics.execute(
            b"SELECT month_start, clinic_id, production, collections, new_patients, "
            b"hygiene_visits FROM intermediate._etl_goal"
        ).fetchall()
    }
    found = {}
    for key in actual.keys() | goals.keys():
        cell = actual.get(key, [NOTHING, NOTHING, NOTHING, 0, 0])
        wanted = goals.get(key, (None,) * 4)
        reached = [
            None if goal is None else share(number, goal)
            for number, goal in zip(cell[1:], wanted, strict=True)
        ]
        found[key] = (*cell, *wanted, *reached)
    return found


def read_marts(analytics: PostgresConnection) -> dict[Month, tuple[Any, ...]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, clinic_id, gross_production, net_production, collections, "
        b"new_patients, hygiene_visits, production_goal, collections_goal, new_patients_goal, "
        b"hygiene_visits_goal, production_reached, collections_reached, new_patients_reached, "
        b"hygiene_visits_reached FROM marts.goals_by_month"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES: Judges = (("goals", reckon, read_marts),)
