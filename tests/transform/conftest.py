"""A warehouse with its models, in the states that the tests look at, one after the other.

dbt takes seconds to start, so each state is built once, and what the tests want to know of it is
kept. ``first`` is a first build. ``changed`` comes after ten days at the practice and after what
goes wrong in real books. ``anew`` has the incremental models made from nothing. ``odd`` has a
project that was changed, and a ``raw`` that lacks tables and columns.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.practice import build_practice, change_practice
from etl_pipeline.demo.servers import Servers
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.transform.build import transform_once
from etl_pipeline.transform.environment import PROJECT
from etl_pipeline.transform.summary import TransformSummary
from tests.conftest import Lab, open_lab
from tests.rows import run_sql
from tests.transform.judging import digest_models, empty_models, judge_marts
from tests.transform.preferences import Judged, judge_preferences
from tests.transform.reckoning import (
    bookings,
    broken_visits,
    claim_answers,
    claims,
    closed_months,
    daily_reports,
    desk_patients,
    facts,
    goals,
    hygiene,
    patient_base,
    payment_plans,
    performance,
    plan_write_offs,
    production_income,
    providers,
    receivables,
    referral_return,
    referrals,
    schedules,
    treatment,
    unscheduled,
    visit_collection,
)
from tests.transform.reconcile import Reconciled, reconcile
from tests.transform.register import Register, find_judges

PATIENTS = 120
INCREMENTAL = (
    "intermediate.int_ledger",
    *(
        f"marts.fact_{name}"
        for name in (
            "procedure",
            "payment",
            "adjustment",
            "claim_procedure",
            "appointment",
            "communication",
        )
    ),
)


# Themes of the reckoning. Each has JUDGES: what it says of raw, and what the marts say.
THEMES = (
    facts,
    production_income,
    performance,
    daily_reports,
    receivables,
    closed_months,
    payment_plans,
    broken_visits,
    claims,
    desk_patients,
    referrals,
    schedules,
    treatment,
    claim_answers,
    plan_write_offs,
    visit_collection,
    unscheduled,
    *(bookings, goals, hygiene, patient_base, providers, referral_return),
)
JUDGES = tuple(judge for theme in THEMES for judge in theme.JUDGES)
DAYS_OF_CHANGE = 10


STATES = {"first", "changed", "anew", "odd"}
"""Fixtures of the one warehouse; who uses one of them stays with the others, in their order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the states on one worker; each other file may be on another."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            uses_states = not STATES.isdisjoint(getattr(item, "fixturenames", ()))
            group = "states" if uses_states else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))


@dataclass
class State:
    """What is kept of a state of the warehouse."""

    lab: Lab
    settings: Settings
    summary: TransformSummary
    totals: dict[str, Reconciled] = field(default_factory=dict)
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    judged: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    months: closed_months.Closed = field(default_factory=dict)
    digests: dict[str, tuple[int, Any]] = field(default_factory=dict)
    register: Register = field(default_factory=dict)
    chosen: Judged = field(default_factory=dict)

    @property
    def config_folder(self) -> Path:
        """Where the configuration is."""
        return self.summary.folder.parents[1]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement, as an administrator of the warehouse."""
        return self.lab.analytics.execute(statement.encode()).fetchall()


def build(lab: Lab, settings: Settings, **options: Any) -> State:
    summary = transform_once(settings, listen=lambda _: None, **options)
    state = State(lab, settings, summary)
    state.totals = reconcile(lab.analytics)
    state.judged = judge_marts(lab.analytics, JUDGES)
    state.months = closed_months.read_months(lab.analytics)
    state.digests = digest_models(lab.analytics)
    state.rows = {
        name: sorted(
            map(tuple, state.query(f"SELECT row_to_json(t)::text FROM {name} AS t")),
        )
        for name in INCREMENTAL
    }
    return state


@pytest.fixture(scope="session")
def first(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """After the first build."""
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=PATIENTS)
        # The practice lives in 2024, whatever the clock says.
        folder = lab.write_config(
            tmp_path_factory.mktemp("transform"), pipeline={"transform": {"today": "entries"}}
        )
        settings = Settings("test", FileConfigProvider(folder))
        assert run_once(settings, RunRequest(), listen=lambda _: None).is_success
        yield build(lab, settings)


VIEWS = {
    "mine.open": "SELECT guarantor_id, balance FROM marts.accounts_receivable",
    "mine.carriers": "SELECT carrier_id, name FROM staging.stg_carrier",
    "mine.made": "SELECT procedure_id, gross_production FROM marts.fact_procedure",
}
GRANTED = (
    "marts.fact_procedure",
    "staging.stg_carrier",
    "marts.dim_clinic",
    "intermediate.int_ledger",
)


GOALS = """\
year,month,clinic,production,collections,new_patients,hygiene_visits
2024,6,LIN,9000,8000.50,12,40
2024,06,2,,7000,,

2024,9,qua,5000,,,
2024,6,,100,,,0
"""


@pytest.fixture(scope="session")
def changed(first: State) -> State:
    """After views and grants of others, ten days at the practice, goals, and what goes wrong."""
    admin, lab = first.lab.analytics, first.lab
    admin.execute(b"CREATE SCHEMA mine")
    for name, query in VIEWS.items():
        admin.execute(f"CREATE VIEW {name} AS {query}".encode())
    for name in GRANTED:
        admin.execute(f"GRANT SELECT ON {name} TO pg_monitor".encode())
    admin.execute(
        b"ALTER TABLE staging.enumeration DROP COLUMN source"
    )  # as an older version had it
    for _ in range(DAYS_OF_CHANGE):
        change_practice(lab.source)
    run_sql(
        lab.source,
        "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        # Completed, then deleted; completed long ago, and priced otherwise now.
        "UPDATE procedurelog SET ProcStatus = 6 WHERE ProcStatus = 2 AND ProcFee > 0 "
        "ORDER BY ProcNum LIMIT 3",
        "UPDATE procedurelog SET ProcFee = ProcFee + 0.335, DateTStamp = DateTStamp "
        "WHERE ProcStatus = 2 AND ProcFee > 0 ORDER BY ProcNum LIMIT 2",
        # Rows that point to rows which are not there, and codes that nobody knows.
        "UPDATE procedurelog SET ProvNum = 999 WHERE ProcStatus = 2 ORDER BY ProcNum DESC LIMIT 2",
        "UPDATE appointment SET AptStatus = 77 ORDER BY AptNum LIMIT 3",
        "UPDATE patient SET Guarantor = 88888 ORDER BY PatNum DESC LIMIT 1",
        # A payment of nothing that moves money within a family, a refund, a line that is gone.
        "INSERT INTO payment (PayNum, PayType, PayDate, PayAmt, PayNote, PatNum, DateEntry, "
        "Receipt, ExternalId) VALUES (900001, 0, '2024-06-28', 0, '', 1, '2024-06-28', '', ''), "
        "(900002, 1006, '2024-06-28', -12.34, '', 1, '2024-06-28', '', '')",
        "INSERT INTO paysplit (SplitNum, SplitAmt, PatNum, PayNum, DatePay, DateEntry, "
        "SecurityHash) VALUES (900001, -50, 1, 900001, '2024-06-28', '2024-06-28', ''), "
        "(900002, 50, 2, 900001, '2024-06-28', '2024-06-28', ''), "
        "(900003, -12.34, 1, 900002, '2024-06-28', '2024-06-28', '')",
        # Wrong years: of an entry by a clock that was wrong, and of the day on which one counts.
        "UPDATE payment SET DateEntry = '2026-03-02' WHERE PayNum = 900002",
        "UPDATE adjustment SET AdjDate = '2042-07-01' ORDER BY AdjNum LIMIT 1",
        "DELETE FROM claimproc WHERE Status = 1 ORDER BY ClaimProcNum LIMIT 2",
        "UPDATE claimproc SET ProcNum = ProcNum + 1 WHERE Status = 1 ORDER BY ClaimProcNum LIMIT 1",
        # A release gives columns that views of ours show another type.
        "ALTER TABLE appointment MODIFY AptStatus int NOT NULL DEFAULT 0",
        "ALTER TABLE procedurelog MODIFY ProcStatus int NOT NULL DEFAULT 0",
        # The office gives a kind of payment another name.
        "UPDATE definition SET ItemName = 'Plastic' WHERE DefNum = 1003",
    )
    assert run_once(first.settings, RunRequest(), listen=lambda _: None).is_success
    folder = lab.write_config(
        first.config_folder, pipeline={"transform": {"today": "entries", "goals": "goals.csv"}}
    )
    (folder / "goals.csv").write_text(GOALS, encoding="utf-8-sig")
    state = build(lab, Settings("test", FileConfigProvider(folder)))
    state.register = find_judges(lab.analytics, JUDGES)
    state.chosen = judge_preferences(lab.analytics, state.summary.folder)
    return state


@pytest.fixture(scope="session")
def anew(changed: State) -> State:
    """After every model was made again, from nothing; only closed months are history."""
    empty_models(changed.lab.analytics)
    return build(changed.lab, changed.settings, full_refresh=True)


@pytest.fixture(scope="session")
def odd(anew: State, tmp_path_factory: pytest.TempPathFactory) -> State:
    """A project with other columns and mistakes, on a raw that lacks some of what it needs."""
    admin = anew.lab.analytics
    project = tmp_path_factory.mktemp("project") / "transform"
    shutil.copytree(PROJECT, project, symlinks=False)
    models = project / "models"
    carrier = models / "staging" / "stg_carrier.sql"
    carrier.write_text(carrier.read_text().replace("as name", "as carrier_name"))
    for mart in (
        "dim_carrier",
        "dim_insurance_plan",
        "claims_by_age_and_carrier",
        "claims_by_month_and_carrier",
        "report_unfinalized_insurance_payments",
        "report_outstanding_insurance_claims",
    ):
        file = models / "marts" / f"{mart}.sql"
        text = file.read_text().replace("c.name, c.is", "c.carrier_name as name, c.is")
        file.write_text(
            text.replace("c.name", "c.carrier_name").replace("k.name", "k.carrier_name")
        )
    file = models / "marts" / "report_broken_appointments.sql"
    text = file.read_text().replace("e.amount\n", "e.amount, e.procedure_code::int as number\n")
    file.write_text(text)
    # Broken contracts: a type is another, a column is new, one is gone.
    file = models / "marts" / "report_daily_adjustments.sql"
    text = file.read_text().replace("n.note, a.amount", "a.amount::float8 as amount, 1 as more")
    file.write_text(text)
    (project / "tests" / "no_clinics.sql").write_text(
        "select clinic_id, name from {{ ref('dim_clinic') }} where clinic_id > 0\n"
    )
    # Views of ours and of others stand on raw, and follow a table that is renamed.
    for statement in (
        "ALTER TABLE raw.refattach RENAME TO refattach_old",
        "ALTER TABLE raw.preference RENAME TO preference_old",
        'ALTER TABLE raw.commlog RENAME COLUMN "Mode_" TO "OtherMode"',
        'ALTER TABLE raw.fee RENAME COLUMN "ProvNum" TO "OtherProvNum"',
        "ALTER TABLE raw.zipcode ADD COLUMN _etl_deleted_at timestamptz",
        "ALTER TABLE raw.recalltype ADD COLUMN _etl_deleted_at timestamptz",
        'UPDATE raw.recalltype SET _etl_deleted_at = now() WHERE "RecallTypeNum" = 5',
    ):
        admin.execute(statement.encode())
    return State(
        anew.lab,
        anew.settings,
        transform_once(anew.settings, project=project, show_rows=True, listen=lambda _: None),
    )
