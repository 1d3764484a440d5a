"""Two runs that begin in the same moment: one is made, and the other one says so."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.pipeline.events import TableStarted
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from tests.conftest import Lab
from tests.rows import make_table

# Before it calls FUNCTION the process says so, and waits for a line.
HELD = """
import sys
from etl_pipeline.cli.main import main
from {module} import {owner} as owner

called = owner.{function}

def hold(*values):
    if not hold.has_waited:
        hold.has_waited = True
        print("held", file=sys.stderr, flush=True)
        sys.stdin.readline()
    return called(*values)

hold.has_waited = False
owner.{function} = hold
main()
"""
MOMENTS = {
    "tables are selected": ("etl_pipeline.pipeline", "selection", "read_known_tables"),
    "the lock is taken": ("etl_pipeline.state", "runs", "lock_runs"),
}


@contextlib.contextmanager
def held_run(
    lab: Lab, folder: Path, moment: str, words: tuple[str, ...]
) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which waits at *moment*."""
    module, owner, function = MOMENTS[moment]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HELD.format(module=module, owner=owner, function=function),
            *words,
        ],
        env={
            **os.environ,
            "ETL_ENVIRONMENT": "test",
            "ETL_CONFIG_DIR": str(lab.write_config(folder)),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        assert process.stderr.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("moment", "words", "ends_first"),
    [
        ("tables are selected", ("run",), False),
        ("the lock is taken", ("run",), True),
        ("the lock is taken", ("run", "small", "--backfill"), False),
        ("the lock is taken", ("verify", "--repair"), False),
    ],
)
def test_a_run_that_comes_second_names_the_first(
    lab: Lab, moment: str, words: tuple[str, ...], ends_first: bool, tmp_path: Path
) -> None:
    """The first one ends the other's sessions: it cannot tell them from those that are left."""
    make_table(lab.source, "CREATE TABLE small (k int PRIMARY KEY)")
    assert run_once(lab.settings, RunRequest(), listen=lambda event: None).is_success
    said: list[str] = []

    def let_go(event: Any) -> None:
        if isinstance(event, TableStarted) and not ends_first:
            said.append(second.communicate("\n", timeout=60)[1])

    with held_run(lab, tmp_path, moment, words) as second:
        first = run_once(lab.settings, RunRequest(), listen=let_go)
        if ends_first:
            said.append(second.communicate("\n", timeout=60)[1])
        assert first.is_success
        assert second.returncode == 1
    assert f"error: run {first.run_id} (process {os.getpid()} on " in said[0]
    assert ") is at work on this warehouse\n" in said[0]
    assert "wait until it has ended" in said[0]
