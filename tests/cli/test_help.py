"""``etl --help`` answers at once."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.cli.conftest import COMMAND

TIMES_AS_LONG = 12
ATTEMPTS = 15


def test_help_takes_at_most_twelve_times_as_long_as_nothing() -> None:
    """The quickest of many attempts, in turns: others at work make any of them slow."""
    nothing = help_ = float("inf")
    for _ in range(ATTEMPTS):
        nothing = min(nothing, seconds_of([sys.executable, "-c", "pass"]))
        help_ = min(help_, seconds_of([*COMMAND, "--help"]))
        if help_ <= TIMES_AS_LONG * nothing / 2:
            break
    assert help_ <= TIMES_AS_LONG * nothing


def seconds_of(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started
