"""``etl transform`` as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etl_pipeline.transform.process import start_dbt
from etl_pipeline.transform.warehouse import _LOCK
from tests.cli.conftest import COMMAND, ROOT, refuse_secrets
from tests.transform.conftest import State


def start(state: State, *words: str, folder: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "LC_ALL": "C.UTF-8",
            "ETL_ENVIRONMENT": "test",
            "ETL_CONFIG_DIR": str(folder or state.config_folder),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(state: State, *words: str, folder: Path | None = None) -> tuple[int, str, str]:
    stdout, stderr = (process := start(state, *words, folder=folder)).communicate(timeout=120)
    refuse_secrets(stdout + stderr)
    return process.returncode, stdout, stderr


def test_the_summary_as_json_and_a_line_a_model(first: State) -> None:
    code, stdout, stderr = call(first, "transform", "--select", "dim_clinic", "--json")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert (result["environment"], result["outcome"]) == ("test", "succeeded")
    assert {(n["name"], n["kind"], n["status"]) for n in result["nodes"]} == {
        ("dim_clinic", "model", "success"),
        ("grain_dim_clinic_clinic_id", "test", "pass"),
        ("dim_clinic_without_inferred", "test", "pass"),
    }
    assert stderr.startswith("dim_clinic ")
    assert "succeeded: 1 of 1 model built, 2 of 2 tests passed" in stderr


def test_a_model_that_is_not_there_gives_the_nearest_name(first: State) -> None:
    code, stdout, stderr = call(first, "transform", "--select", "dim_clinics")
    assert (code, stdout) == (2, "")
    assert stderr == (
        "error: dim_clinics: no model is called so\n  fix: did you mean dim_clinic?\n"
    )


def test_docs_are_one_page_with_lineage_from_raw_to_the_marts(first: State) -> None:
    code, stdout, stderr = call(first, "transform", "--docs")
    assert code == 0, stderr
    page = Path(stdout.splitlines()[0])
    assert page.stat().st_size > 500_000
    manifest = json.loads((page.parents[1] / "manifest.json").read_text())
    seen, waiting = set(), ["source.practice.raw.paysplit"]
    while waiting:
        key = waiting.pop()
        seen.add(key)
        waiting += [k for k in manifest["child_map"][key] if k not in seen]
    assert "model.practice.accounts_receivable" in seen
    for key, node in manifest["nodes"].items():
        if key.startswith("model."):
            assert node["description"], key
    assert "Credits settle the oldest charges first" in page.read_text(encoding="utf-8")


def test_freshness_comes_from_our_state(first: State) -> None:
    from etl_pipeline.config import PostgresSchema
    from etl_pipeline.transform.environment import LAYERS, PROJECT, make_environment

    settings, folder = first.settings, first.summary.folder
    layers = {
        layer: settings.get_analytics_connection_config(PostgresSchema(layer)) for layer in LAYERS
    }
    environment = make_environment("raw", layers, folder)
    with start_dbt(environment, folder, lambda: None) as dbt:
        outcome = dbt.run(
            ["source", "freshness", f"--project-dir={PROJECT}", f"--profiles-dir={PROJECT}",
             f"--target-path={folder}", f"--log-path={folder}", "--log-level-file=none",
             "--no-send-anonymous-usage-stats", "--quiet", "--select", "source:raw.patient"],
            lambda _: None,
        )  # fmt: skip
    assert outcome.refusal is None
    (result,) = json.loads((folder / "sources.json").read_text())["results"]
    assert result["status"] == "pass"
    ((started,),) = first.query("SELECT extract(epoch FROM max(started_at)) FROM etl.run")
    assert abs(result["max_loaded_at_time_ago_in_s"] + float(started) - time.time()) < 60


def count_waiting(state: State) -> int:
    """Sessions that wait for a lock now; a transaction would keep what it saw first."""
    state.query("SELECT pg_stat_clear_snapshot()")
    ((count,),) = state.query(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    return int(count)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_a_stop_cancels_what_the_server_does_and_changes_nothing(first: State) -> None:
    admin = first.lab.analytics
    with admin.transaction():
        admin.execute(b"LOCK TABLE marts.dim_clinic IN ACCESS EXCLUSIVE MODE")
        process = start(first, "transform", "--select", "dim_clinic")
        wait_for(lambda: count_waiting(first) == 1, "the model was not begun")
        # While one is at work, another one is refused.
        code, _, stderr = call(first, "transform", "--select", "dim_clinic")
        assert (code, stderr.splitlines()[0]) == (
            1, "error: another transformation is at work on this warehouse",
        )  # fmt: skip
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        assert stderr.endswith("stopped: every model is as it was\n")
        # The lock is still held here, so a statement that nobody cancelled would still wait.
        wait_for(lambda: count_waiting(first) == 0, "the statement was not cancelled")
    assert len(first.query("SELECT FROM marts.dim_clinic")) > 0


def test_without_dbt_the_fix_is_named(first: State) -> None:
    block = (
        "import sys, importlib.util as u; real = u.find_spec; "
        "u.find_spec = lambda n, *a: None if n.startswith('dbt') else real(n, *a); "
    )
    done = subprocess.run(
        [sys.executable, "-c", block + COMMAND[-1], "transform"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "ETL_ENVIRONMENT": "test",
            "ETL_CONFIG_DIR": str(first.config_folder),
        },
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "error: etl transform: dbt is not installed\n"
        f"  fix: {sys.executable} -m pip install "
        "'dbt-core<1.13,>=1.11' 'dbt-postgres<1.12,>=1.10'\n",
    )


@pytest.fixture
def after_run(first: State, tmp_path: Path) -> Path:
    """A configuration by which a run ends with the models; a run that fails leaves ``told``."""
    keep = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    return first.lab.write_config(
        tmp_path,
        pipeline={
            # What dbt knows of the project is there already.
            "transform": {"after_run": True, "folder": str(first.summary.folder.parent)},
            "notify": {"command": [sys.executable, "-c", keep, str(tmp_path / "told")]},
        },
    )


def test_a_run_that_finds_nothing_to_do_ends_with_the_models(first: State, after_run: Path) -> None:
    code, stdout, stderr = call(first, "run", "--json", folder=after_run)
    assert code == 0, stderr
    result = json.loads(stdout)
    assert (result["outcome"], result["inserted"], result["updated"]) == ("succeeded", 0, 0)
    models = result["transformation"]
    assert (models["outcome"], models["not_built"]) == ("succeeded", [])
    assert len(models["nodes"]) == len(first.summary.nodes)
    assert "Transformation (test) succeeded: " in stderr
    assert not (after_run / "told").exists()


def test_a_model_that_fails_after_a_run_fails_the_command(first: State, after_run: Path) -> None:
    admin = first.lab.analytics
    admin.execute(b"ALTER TABLE marts.dim_clinic RENAME TO dim_clinic_away")
    admin.execute(b"CREATE SEQUENCE marts.dim_clinic")
    try:
        code, stdout, stderr = call(first, "run", "clinic", folder=after_run)
    finally:
        admin.execute(b"DROP SEQUENCE marts.dim_clinic")
        admin.execute(b"ALTER TABLE marts.dim_clinic_away RENAME TO dim_clinic")
    assert code == 1, stderr
    run, models = stdout.split("Transformation (test) failed: ")
    assert run.startswith("Run ")
    assert "succeeded: 1 of 1 table equal (value)" in run
    assert "\nmodel dim_clinic: " in models
    assert "is neither a view nor a table (SQLSTATE ET001)\n" in models
    told = json.loads((after_run / "told").read_text())
    assert (told["outcome"], told["transformation"]["outcome"]) == ("succeeded", "failed")
    assert first.query("SELECT outcome FROM etl.run ORDER BY run_id DESC LIMIT 1") == [
        ("succeeded",)
    ]


def test_models_that_cannot_be_begun_after_a_run_are_told(first: State, after_run: Path) -> None:
    first.query(f"SELECT pg_advisory_lock({_LOCK})")
    try:
        code, stdout, stderr = call(first, "run", "clinic", "--json", folder=after_run)
    finally:
        first.query(f"SELECT pg_advisory_unlock({_LOCK})")
    assert code == 1
    problem = "another transformation is at work on this warehouse"
    assert stderr.splitlines()[-2] == f"error: {problem}"
    for text in (stdout, (after_run / "told").read_text()):
        result = json.loads(text)
        assert result["outcome"] == "succeeded"
        assert result["transformation"] == {
            "outcome": "failed", "error": problem,
            "fix": "wait until it has ended, or stop it, and run again",
        }  # fmt: skip
