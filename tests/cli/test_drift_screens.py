"""What people read of changes of the source's schema: the plan, the record, the history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from etl_pipeline.cli.screens.plan import plan_json, plan_screen
from etl_pipeline.cli.screens.status import history_screen, run_record_json, run_record_screen
from etl_pipeline.pipeline.plan import Preview, TablePreview
from etl_pipeline.replicate.strategy import Pass
from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.state.history import DriftRecord, RunRecord, TableRecord
from tests.cli.test_screens import PRICE_REFUSED
from tests.expected import Expected

STARTED = datetime(2024, 6, 28, 2, 30, tzinfo=UTC)
LATER = STARTED + timedelta(seconds=14)
PEOPLE = ("marts.people", "marts.people_of_today")
ADDED = DriftEvent(
    "patient",
    "column_added",
    "Colour",
    "int(11)",
    "follow",
    ("ALTER TABLE `patient`\n  ADD COLUMN `Colour` int(11) NOT NULL",),
    ('ALTER TABLE "raw"."patient" ADD COLUMN "Colour" integer',),
    PEOPLE,
)
RETYPED = ('ALTER TABLE "raw"."patient"\n  ALTER COLUMN "Age" TYPE integer USING "Age"::integer',)
AGE = ("patient", "column_retyped", "Age", "text → int(11)")
IN_REPLICA = ("ALTER TABLE `patient`\n  CHANGE COLUMN `Age` `Age` int(11) NULL",)
WHY = (
    "the source's schema changed, and drift is frozen: Price column retyped: double → decimal(10,2)"
)
CAME_AND_WENT = (
    DriftEvent("task", "table_dropped", "", "its copies stay as they are", "follow"),
    DriftEvent("tasknote", "table_added", "", "5 columns; tables.yml does not name it", "report"),
)


def statements(event: DriftEvent) -> tuple[tuple[str, str], ...]:
    return (
        *(("replication", one) for one in event.replication),
        *(("analytics", one) for one in event.raw),
    )


def table(name: str, error: str | None = None) -> TableRecord:
    return TableRecord(
        run_id=7,
        table_name=name,
        strategy="fingerprint",
        grade=None if error else "value",
        rows=0 if error else 1_500,
        rows_read=0 if error else 1_500,
        text_bytes=0 if error else 330_114,
        seconds=0.3,
        inserted=0,
        updated=0 if error else 41,
        deleted=0,
        finished_at=LATER,
        read_from=None if error else STARTED,
        read_to=None if error else LATER,
        proven_at=None if error else STARTED,
        watermark=None,
        altered={},
        notes=[],
        error=error,
        finished_in=None,
    )


RUN = RunRecord(
    run_id=7,
    started_at=STARTED,
    finished_at=LATER,
    seen_at=LATER,
    outcome="failed",
    drift_events=6,
    etl_version="0.1.0",
    host="warehouse",
    process_id=4711,
    os_user="etl",
    continues=None,
    tables=2,
    failed=1,
    rows=1_500,
    text_bytes=330_114,
    inserted=0,
    updated=41,
    deleted=0,
    proven_value=1,
    proven_keys_stamp=0,
    proven_append=0,
    taken_over=0,
)
RECORDED = [
    DriftRecord(PRICE_REFUSED, None, None),
    DriftRecord(ADDED, STARTED, LATER),
    DriftRecord(DriftEvent(*AGE, "reload", IN_REPLICA, RETYPED, PEOPLE), STARTED, LATER),
    DriftRecord(CAME_AND_WENT[0], None, LATER),
    DriftRecord(CAME_AND_WENT[1], None, None),
]


def test_the_plan_says_what_changed_and_what_would_be_done(expected: Expected) -> None:
    tables = (
        TablePreview(
            "patient",
            "fingerprint",
            Pass.COMPARE,
            rows=1_500,
            data_bytes=330_114,
            seconds=0.3,
            reads="SELECT `PatNum` FROM `patient`",
            ddl=statements(ADDED),
            dependents=PEOPLE,
            drift=(ADDED,),
        ),
        TablePreview(
            "codes",
            "fingerprint",
            Pass.COMPARE,
            rows=12,
            data_bytes=1_000,
            seconds=0.1,
            reads="SELECT `Code` FROM `codes`",
            ddl=statements(PRICE_REFUSED),
            drift=(PRICE_REFUSED,),
            error=WHY,
            fix="etl run codes --accept-drift",
        ),
    )
    preview = Preview("production", tables, came_and_went=CAME_AND_WENT)
    expected.check("plan_drift.txt", plan_screen(preview, with_sql=False) + "\n")
    expected.check("plan_drift_sql.txt", plan_screen(preview, with_sql=True) + "\n")
    text = plan_json(preview)
    expected.check("plan_drift.json", text + "\n")
    assert [one["verdict"] for one in json.loads(text)["drift"]] == [
        "refuse",
        "follow",
        "follow",
        "report",
    ]


def test_the_record_of_a_run_has_the_statements_that_ran(expected: Expected) -> None:
    tables = [table("codes", WHY), table("patient")]
    expected.check("show_drift.txt", run_record_screen(RUN, tables, RECORDED) + "\n")
    expected.check("show_drift.json", run_record_json(RUN, tables, RECORDED) + "\n")
    expected.check("history_drift.txt", history_screen([RUN]) + "\n")


def test_a_statement_that_did_not_run_is_a_plan(expected: Expected) -> None:
    stopped = DriftEvent(*AGE, "refuse", IN_REPLICA, RETYPED, PEOPLE)
    begun = DriftEvent(*AGE, "follow", IN_REPLICA, RETYPED, PEOPLE)
    shown = [
        run_record_screen(RUN, [], [DriftRecord(event, replicated_at, None)])
        for event in (stopped, begun)
        for replicated_at in (None, LATER)
    ]
    expected.check("show_drift_not_done.txt", "\n".join(shown) + "\n")
