"""What the marts say where the practice chose otherwise, beside the reckoning of the same choice.

The row of ``raw.preference`` is there for a moment, in a transaction that is rolled back. Views
answer by it at once; the tables that stand between are filled anew by the models' own statements.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.accounts import (
    AGE_CREDITS_AND_DEBITS,
    AGE_CREDITS_ONLY,
    DO_NOT_AGE,
    NO_CHARGES,
    Accounts,
)
from tests.transform.reckoning.books import read_practice_day
from tests.transform.reckoning.production_income import (
    WRITE_OFFS,
    reckon_schedule,
    reckon_write_offs,
)

Judged = dict[tuple[str, str], tuple[Any, Any]]
"""What the reckoning says and what the models say, by preference and value."""

MODELS = Path("compiled", "practice", "models", "intermediate")
PLANS, MOVEMENTS = "int_payment_plan_entry", "int_production_income"


def judge_preferences(analytics: PostgresConnection, target: Path) -> Judged:
    """Judge every value of the preferences that move money.

    Args:
        analytics: An administrator's connection to the warehouse.
        target: The folder in which dbt left what it compiled.
    """
    found: Judged = {}
    for way in WRITE_OFFS:
        name = "ReportsPPOwriteoffDefaultToProcDate"
        with _chosen(analytics, name, way):
            _fill(analytics, target, MOVEMENTS)
            found[name, way] = (
                reckon_write_offs(analytics, way),
                _sum_movements(analytics, "is_practice_write_off"),
            )
    for value in ("0", "1"):
        name = "ReportPandIschedProdSubtractsWO"
        with _chosen(analytics, name, value):
            _fill(analytics, target, MOVEMENTS)
            found[name, value] = (
                reckon_schedule(analytics),
                _sum_movements(analytics, "kind = 'scheduled production'"),
            )
    for value in (DO_NOT_AGE, AGE_CREDITS_AND_DEBITS, AGE_CREDITS_ONLY, NO_CHARGES):
        name = "PayPlansVersion"
        with _chosen(analytics, name, value):
            _fill(analytics, target, PLANS)
            found[name, value] = (_reckon_aging(analytics), _read_aging(analytics))
    return found


@contextmanager
def _chosen(analytics: PostgresConnection, name: str, value: str) -> Iterator[None]:
    with analytics.transaction(force_rollback=True):
        analytics.execute(b'DELETE FROM raw.preference WHERE "PrefName" = %s', (name,))
        analytics.execute(
            b"INSERT INTO raw.preference SELECT (jsonb_populate_record(p, jsonb_build_object("
            b"'PrefNum', 900001, 'PrefName', %s::text, 'ValueString', %s::text))).* "
            b"FROM raw.preference AS p LIMIT 1",
            (name, value),
        )
        yield


def _sum_movements(analytics: PostgresConnection, condition: str) -> dict[Any, Any]:
    rows = analytics.execute(
        "SELECT entry_date, provider_id, clinic_id, sum(amount) "
        f"FROM intermediate.int_production_income WHERE {condition} GROUP BY 1, 2, 3".encode()
    )
    return {row[:3]: row[3] for row in rows if row[3]}


def _fill(analytics: PostgresConnection, target: Path, model: str) -> None:
    """Fill a table anew; one that was made for some patients alone is made for all."""
    query = (target / MODELS / f"{model}.sql").read_text(encoding="utf-8")
    analytics.execute(
        b"CREATE TEMPORARY TABLE etl_scope ON COMMIT DROP AS "
        b"SELECT patient_id AS value FROM marts.dim_patient UNION SELECT 0"
    )
    analytics.execute(f"DELETE FROM intermediate.{model}".encode())
    analytics.execute(f"INSERT INTO intermediate.{model} {query}".encode())


def _days(analytics: PostgresConnection) -> tuple[dt.date, ...]:
    """The practice's day, and one on which some of its plans were young."""
    today = read_practice_day(analytics)
    return today, today - dt.timedelta(days=180)


def _reckon_aging(analytics: PostgresConnection) -> dict[Any, Any]:
    accounts, (today, earlier) = Accounts(analytics), _days(analytics)
    return {
        (day, family): aged[:8]
        for day in (today, earlier)
        for family, aged in accounts.age(day, is_today=day == today).items()
    }


def _read_aging(analytics: PostgresConnection) -> dict[Any, Any]:
    return {
        (day, row[0]): row[1:]
        for day in _days(analytics)
        for row in analytics.execute(
            b"SELECT guarantor_id, balance_0_30, balance_31_60, balance_61_90, balance_over_90, "
            b"total, write_off_estimate, insurance_estimate, patient_portion "
            b"FROM marts.report_aging_of_receivables WHERE as_of_date = %s",
            (day,),
        )
    }
