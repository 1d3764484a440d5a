"""What people read, compared whole with the files under ``expected``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.cli import demo
from etl_pipeline.cli.output import printable
from etl_pipeline.cli.screens import run
from etl_pipeline.cli.screens.transform import transform_screen
from etl_pipeline.core.source_usage import SourceUsage
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.state.records import TableOutcome
from etl_pipeline.transfer.kernel_python import NUL_CHARACTERS, ZERO_DATES
from etl_pipeline.transform.summary import Node, TransformSummary
from tests.cli.conftest import COMMAND, ROOT
from tests.docs.pages import list_commands
from tests.expected import Expected

STARTED = datetime(2024, 6, 28, 2, 30, tzinfo=UTC)


def _help(*arguments: str) -> str:
    env = {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*COMMAND, *arguments], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("command", ["", "config", *list_commands()])
def test_help_is_one_screen(expected: Expected, command: str) -> None:
    text = _help(*command.split(), "--help")
    expected.check(f"help_{command.replace(' ', '_') or 'etl'}.txt", text)
    assert text.startswith(f"Usage: {f'etl {command}'.strip()} [OPTIONS]")
    assert "xample: etl " in text or "etl demo" in text
    lines = text.splitlines()
    assert len(lines) <= (24 if command else 48)
    assert max(map(len, lines)) <= 80


def test_help_needs_no_driver() -> None:
    code = (
        "import sys\n"
        "from etl_pipeline.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    env = {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], env=env, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "etl_pipeline" in loaded
    heavy = {"pymysql", "psycopg", "sqlalchemy", "pydantic", "ruamel", "rich", "cryptography"}
    assert not loaded & heavy


def _outcome(table: str, **values: Any) -> TableOutcome:
    outcome = TableOutcome(table, "full_table")
    for name, value in {"grade": "value", **values}.items():
        setattr(outcome, name, value)
    return outcome


PATIENT = _outcome(
    "patient", rows=1_500, text_bytes=320_114, seconds=0.2, inserted=12, updated=30, deleted=3
)
PROCEDURES = _outcome(
    "procedurelog", rows=1_000_000, text_bytes=160_000_000, seconds=14.26, inserted=1_000_000
)
ALTERED = _outcome(
    "document",
    rows=8,
    text_bytes=1_200,
    seconds=0.1,
    inserted=8,
    altered=Counter({("DateCreated", ZERO_DATES): 12_345, ("Note", NUL_CHARACTERS): 1}),
    notes=[
        "document.Note: collation utf8mb4_0900_ai_ci is unknown to the replication server; "
        "the default of utf8mb4 is used"
    ],
)
FAILED = _outcome(
    "codes",
    grade=None,
    error="the table exists with other columns: mine is not at the source",
    fix="etl run codes --adopt",
)
REFUSED = _outcome("shapes", grade=None, error="column outline: type geometry is not supported")
BY_STAMPS = _outcome(
    "procnote",
    strategy="incremental",
    grade="keys+stamp",
    rows=70_000,
    proven_at=STARTED - timedelta(days=3),
)
BY_TAIL = _outcome("securitylog", strategy="append_only", grade="append", rows=900_000)
NOTE = (
    "2 tables ask for another extraction_strategy than full_table; "
    "this version reads every table in full, which proves more and takes longer"
)
MANY = [
    _outcome(f"table{n:02}", notes=[f"table{n:02}.a: a note"], rows=1, text_bytes=2)
    for n in range(30)
]

ENDED = "the source's window (21:00-06:00 America/Chicago) has ended"
WINDOW_ENDED = [
    PATIENT,
    _outcome(
        "procedurelog",
        grade=None,
        error=f"{ENDED}; stopped before key 250001",
        fix="etl run procedurelog    within it, or with --outside-window",
    ),
    *(
        _outcome(
            f"table{n:02}",
            grade=None,
            error=f"{ENDED}; not begun",
            fix=f"etl run table{n:02}    within it, or with --outside-window",
        )
        for n in range(30)
    ),
]
BURDENS = {
    "success": SourceUsage(1_234, 12.34, 1_001_523, 187_000_000, 0.412, "procedurelog"),
    "window_ended": SourceUsage(99, 3.2, 1_700, 330_000, 0.02, "", waited_seconds=1_234.56),
}
DRIFTED = _outcome(
    "patient",
    rows=1_500,
    text_bytes=330_114,
    seconds=0.3,
    updated=41,
    drift=[
        DriftEvent(
            "patient",
            "column_added",
            "Colour",
            "int(11)",
            "follow",
            ("ALTER TABLE `patient`\n  ADD COLUMN `Colour` int(11) NOT NULL",),
            ('ALTER TABLE "raw"."patient" ADD COLUMN "Colour" integer',),
            ("marts.people",),
        ),
        DriftEvent("patient", "column_retyped", "Age", "text → int(11)", "reload"),
    ],
)
PRICE_REFUSED = DriftEvent(
    "codes",
    "column_retyped",
    "Price",
    "double → decimal(10,2)",
    "refuse",
    ("ALTER TABLE `codes`\n  CHANGE COLUMN `Price` `Price` decimal(10,2) NOT NULL",),
    (
        'ALTER TABLE "raw"."codes"\n'
        '  ALTER COLUMN "Price" TYPE numeric(10,2) USING "Price"::numeric(10,2)',
    ),
)
FROZEN = _outcome(
    "codes",
    grade=None,
    error="the source's schema changed, and drift is frozen: Price column retyped: "
    "double → decimal(10,2)",
    fix="etl run codes --accept-drift",
    drift=[PRICE_REFUSED],
)
CAME_AND_WENT = [
    DriftEvent("task", "table_dropped", "", "its copies stay as they are", "follow"),
    DriftEvent("tasknote", "table_added", "", "5 columns; tables.yml does not name it", "report"),
]

RUNS = {
    "drift": [DRIFTED, FROZEN],
    "success": [PATIENT, PROCEDURES],
    "failure": [PROCEDURES, REFUSED, PATIENT, FAILED],
    "nothing_done": [FAILED],
    "no_tables": [],
    "altered_and_notes": [PATIENT, ALTERED],
    "many_notes": MANY,
    "window_ended": WINDOW_ENDED,
    "grades": [PATIENT, BY_STAMPS, BY_TAIL, FAILED],
    "stamps_alone": [BY_STAMPS],
}


def _run(name: str) -> RunSummary:
    notes = [NOTE] if name == "altered_and_notes" else []
    source_usage = BURDENS.get(name, SourceUsage())
    tables = CAME_AND_WENT if name == "drift" else []
    outcomes = RUNS[name]
    return RunSummary(
        7,
        "production",
        STARTED,
        14.5,
        outcomes,
        notes,
        source_usage=source_usage,
        came_and_went=tables,
    )


@pytest.mark.parametrize("name", RUNS)
def test_the_screen_of_a_run(expected: Expected, name: str) -> None:
    expected.check(f"run_{name}.txt", run.run_screen(_run(name)) + "\n")


@pytest.mark.parametrize("name", ["grades", "stamps_alone"])
def test_no_table_is_called_equal_whose_values_were_not_compared(name: str) -> None:
    first, *_ = run.run_screen(_run(name)).splitlines()
    words = first.partition(" tables: " if name == "grades" else " table: ")[2]
    proven = dict(part.rsplit(" ", 1) for part in words.split(", "))
    claimed = {"equal (value)": "1", "keys and stamps": "1", "log's end": "1"}
    assert proven == (claimed if name == "grades" else {"keys and stamps": "1"})


@pytest.mark.parametrize("name", ["success", "failure", "altered_and_notes", "drift", "grades"])
def test_the_json_of_a_run(expected: Expected, name: str) -> None:
    text = run.run_json(_run(name))
    assert text.isascii()
    assert json.loads(text)["outcome"] == ("succeeded" if _run(name).is_success else "failed")
    expected.check(f"run_{name}.json", text + "\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ä → ✓\nnext", "ä → ✓\nnext"),
        ("\x1b[2J\r\x07\t", r"\x1b[2J\r\x07\t"),
        ("\x9b\u202e\u200b", r"\x9b\u202e\u200b"),
    ],
)
def test_names_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("folder", "has_dbt"), [("demo", True), ("/a place/of my own", True), ("no_models", False)]
)
def test_the_demo_says_what_to_try_next(
    expected: Expected, monkeypatch: pytest.MonkeyPatch, folder: str, has_dbt: bool
) -> None:
    monkeypatch.setattr(demo, "_program", lambda: "etl")
    analytics = {"host": "127.0.0.1", "port": 5433, "user": "loader", "database": "analytics"}
    text = demo.next_steps(Path(folder), analytics, has_dbt=has_dbt)
    expected.check(f"demo_next_steps_{Path(folder).name.replace(' ', '_')}.txt", text + "\n")


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("column is not there (SQLSTATE 42703)", "mend the file, then etl"),
        ("invalid text representation (SQLSTATE 22P02)", "mend the file, then etl"),
        (None, "mend the file, then etl"),
        ("disk full (SQLSTATE 53100)", "free space on the server: etl"),
        ("permission denied (SQLSTATE 42501)", "GRANT what the statement needs: etl"),
    ],
)
def test_a_model_that_the_server_let_down_is_not_said_to_be_wrong(
    words: str | None, fix: str
) -> None:
    file = "models/dim_clinic.sql"
    node = Node("i", "dim_clinic", "model", "error", 0.1, None, words, file, None, "marts")
    summary = TransformSummary("test", STARTED, 1.0, None, Path("project"), Path("folder"), [node])
    assert f"  fix: {fix} transform --select dim_clinic+" in transform_screen(summary)
