"""How results and messages stand on a terminal, and what ``--quiet`` and ``--progress`` leave."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.cli.output import fold
from etl_pipeline.cli.screens.status import history_screen, run_record_screen, status_screen
from etl_pipeline.pipeline.status import Status, TableStatus
from etl_pipeline.state.history import BuildRecord, RunRecord, TableRecord
from etl_pipeline.transform.dbt_version import install_dbt
from tests.cli.conftest import COMMAND, ROOT, Cli
from tests.docs.pages import read_page
from tests.expected import Expected

NOW = datetime(2024, 6, 28, 2, 30, tzinfo=UTC)


def record(table: str, **values: Any) -> TableRecord:
    given: dict[str, Any] = {
        "run_id": 7, "table_name": table, "strategy": "fingerprint", "grade": "value",
        "rows": 11_234_567, "rows_read": 11_234_567, "text_bytes": 1, "seconds": 12.3,
        "inserted": 100_000, "updated": 200_000, "deleted": 300_000, "error": None,
        "read_from": NOW, "read_to": NOW + timedelta(minutes=2), "proven_at": NOW,
        "finished_at": NOW, "altered": {}, "watermark": None, "notes": [], "finished_in": None,
        **values,
    }  # fmt: skip
    names = TableRecord.__dataclass_fields__
    return TableRecord(**{name: given[name] for name in names})


def actual(table: str, error: str | None = None, *, is_loaded: bool = True) -> TableStatus:
    last = record(table, error=error) if is_loaded else None
    good = record(table) if is_loaded else None
    rows = 11_234_567 if is_loaded else None
    return TableStatus(table, "fingerprint", 11_000_000, rows, rows, last, good, None)


STATUS = Status(
    "production",
    NOW + timedelta(hours=3),
    [
        actual("appointment"),
        actual("claimproc", "the server's disk is full (1114)"),
        actual("eservicesignalofalongname", is_loaded=False),
    ],
    build=BuildRecord(7, NOW + timedelta(hours=2), 12_345, date(2024, 6, 28), 1),
)


def run_record() -> RunRecord:
    given: dict[str, Any] = {
        "run_id": 12_345, "started_at": NOW, "finished_at": NOW + timedelta(hours=2),
        "seen_at": NOW, "outcome": "succeeded", "tables": 446, "failed": 0, "drift_events": 12,
        "rows": 13_500_000, "inserted": 1_500_000, "updated": 1_500_000, "deleted": 1_500_000,
        "continues": None, "text_bytes": 1, "proven_value": 440, "proven_keys_stamp": 5,
        "proven_append": 1, "taken_over": 0, "host": "h", "process_id": 1, "os_user": "u",
        "etl_version": "0.1.0",
    }  # fmt: skip
    return RunRecord(**{name: given[name] for name in RunRecord.__dataclass_fields__})


def test_status_says_first_how_many_stand_how(expected: Expected) -> None:
    expected.check("status_wide.txt", status_screen(STATUS) + "\n")
    expected.check("status_80.txt", status_screen(STATUS, 80) + "\n")


@pytest.mark.parametrize("width", [80, 100])
def test_no_table_is_wider_than_the_terminal(width: int) -> None:
    screens = [
        status_screen(STATUS, width),
        history_screen([run_record()], width),
        run_record_screen(run_record(), [record("eservicesignalofalongname")], [], width),
    ]
    for screen in screens:
        assert max(map(len, screen.splitlines())) <= width, screen


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("short", ["short"]),
        (
            "  note   words that go on and on to the end",
            ["  note   words that go on and", "         on to the end"],
        ),
        (
            "claim: words that go on and on to the end",
            ["claim: words that go on and on", "  to the end"],
        ),
        ("  fix: a command that is to be pasted, whole", None),
        ('    raw: ALTER TABLE "raw"."patient" ADD', None),
        ("a" * 40, None),
    ],
)
def test_a_long_line_is_folded_unless_it_is_there_to_be_pasted(
    line: str, folded: list[str] | None
) -> None:
    assert fold(line, 30).split("\n") == (folded or [line])
    assert fold(line, None) == line


def on_a_terminal(etl: Cli, *words: str) -> str:
    """What a terminal of 80 columns gets of a command."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *words],
        env=etl.environment({"TERM": "dumb"}),
        cwd=etl.folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
        process.wait(60)
    return shown.decode()


@pytest.mark.parametrize("words", ["doctor", "plan", "run", "status", "verify", "history"])
def test_nothing_wraps_at_80_columns(etl: Cli, words: str) -> None:
    if words != "run":
        assert etl("run", "--quiet").code == 0
    shown = on_a_terminal(etl, *words.split())
    whole = [line for line in shown.splitlines() if not re.match(r"\s*fix:", line)]
    assert whole
    # A word that is longer than a line, a path for example, stays whole.
    assert [line for line in whole if len(line) > 80 and " " in line.strip()] == []


def test_quiet_prints_nothing_of_a_success_and_all_of_a_failure(etl: Cli) -> None:
    for words in (["run"], ["verify"], ["run", "--progress", "none"]):
        ended = etl(*words, "--quiet")
        assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    ended = etl("run", "--quiet", "--json")
    assert (ended.code, ended.stdout[:1], ended.stderr) == (0, "{", "")
    etl.lab.analytics.execute("ALTER TABLE raw.codes ADD COLUMN mine text")
    loud, quiet = etl("run"), etl("run", "--quiet")
    assert (quiet.code, loud.code) == (1, 1)
    assert "etl run codes --adopt" in quiet.stdout
    assert len(quiet.stdout.splitlines()) == len(loud.stdout.splitlines())


def test_quiet_shows_the_warnings_of_a_failed_run(etl: Cli) -> None:
    user = etl.env["TEST_OPENDENTAL_SOURCE_USER"]
    with etl.lab.source.cursor() as cursor:
        cursor.execute(f"GRANT INSERT ON *.* TO `{user}`@`%`")
    assert etl("run", "--quiet").stderr == ""
    etl.lab.analytics.execute("ALTER TABLE raw.codes ADD COLUMN mine text")
    ended = etl("run", "--quiet")
    assert ended.code == 1
    assert "warning: source" in ended.stderr
    assert "rows" not in ended.stderr


@pytest.mark.parametrize(("style", "lines"), [(None, 3), ("lines", 3), ("none", 0)])
def test_progress_is_shown_as_it_is_chosen(etl: Cli, style: str | None, lines: int) -> None:
    ended = etl("run", *(["--progress", style] if style else []))
    assert ended.code == 0
    assert len(ended.stderr.splitlines()) == lines


def test_a_pattern_means_every_table_that_it_matches(etl: Cli) -> None:
    for command in (["run"], ["verify"], ["plan"], ["status"], ["run", "--full"]):
        ended = etl(*command, "pat*", "c?des", "--json")
        assert ended.code == 0, ended.stderr
        tables = json.loads(ended.stdout)["tables"]
        assert {one["table"] for one in tables} == {"patient", "codes"}
    shown = etl("discover", "[ps]*")
    assert (shown.code, "sheetfield" in shown.stdout, "codes" in shown.stdout) == (0, True, False)


@pytest.mark.parametrize("command", ["run", "verify", "plan", "status", "discover"])
def test_a_pattern_that_matches_nothing_is_refused(etl: Cli, command: str) -> None:
    ended = etl(command, "zz*")
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: zz*: the pattern matches no table\n  fix: ")


def test_the_command_that_installs_dbt_is_right_wherever_the_program_lies() -> None:
    words = shlex.split(install_dbt())
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    assert [re.split("[<>=]", word)[0] for word in words[4:]] == ["dbt-core", "dbt-postgres"]
    assert Path(words[0]).exists()


def test_init_and_the_readme_name_the_same_steps(tmp_path: Any) -> None:
    done = subprocess.run(
        [*COMMAND, "init", "config"],
        env={"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    said = re.findall(r"^  (etl .+?) +#", done.stdout, re.MULTILINE)
    block = read_page("README.md").split("**Check, choose, run, compare.**")[1].split("```")[1]
    assert said == re.findall(r"\.venv/bin/(etl .+)", block)
    assert "ETL_ENVIRONMENT=production" in done.stdout
    assert "ETL_ENVIRONMENT=production" in block
