"""Reconcile every figure of a large practice: ``python -m tests.transform.reconcile_practice``.

A practice of ``--patients`` is made and copied, and its models are built. Every judge compares the
marts with the reckoning. Ten days at the practice follow, with builds among them; every judge
compares again. Then every table of the models is emptied and made anew, and must have the content
that it had. The tests do the same with 120 patients, on every push.

Ends with code 1 and the differences when something differs, and when ``--minutes`` are over.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.server_databases import PostgresConnection, connect_postgres
from etl_pipeline.demo.servers import remove_servers, running_servers
from etl_pipeline.demo.setting import Practice, change_day, prepare_practice, read_practice
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.transform.build import transform_once
from tests.transform.conftest import DAYS_OF_CHANGE, JUDGES
from tests.transform.judging import digest_models, empty_models, list_differences
from tests.transform.preferences import judge_preferences
from tests.transform.reckoning.books import unchanged_books

SHOWN = 3
SEED = 7


def main() -> None:
    """Print each step with its time, and end with 1 if anything differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, default=20_000, help="size of the practice")
    parser.add_argument("--builds", type=int, default=2, help="builds among the days of change")
    parser.add_argument("--minutes", type=int, default=120, help="when it gives up")
    parser.add_argument("--folder", type=Path, help="servers and practice of it stay")
    choices = parser.parse_args()
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(60 * choices.minutes)
    with _practice(choices.folder, choices.patients) as (folder, analytics):
        check = _Check(folder, analytics)
        check.copy_and_build()
        check.judge()
        for day in range(1, DAYS_OF_CHANGE + 1):
            change_day(folder)
            if day * choices.builds % DAYS_OF_CHANGE < choices.builds:
                check.say(f"day {day} is over")
                check.copy_and_build()
        check.judge()
        check.judge_choices()
        check.compare_with_anew()
    check.say(f"{check.differences} differences" if check.differences else "everything reconciles")
    sys.exit(1 if check.differences else 0)


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("--minutes are over")


@contextmanager
def _practice(kept: Path | None, patients: int) -> Iterator[tuple[Path, PostgresConnection]]:
    """A practice on private servers, and an administrator's connection to its warehouse."""
    with tempfile.TemporaryDirectory() as passing:
        folder = (kept or Path(passing)).resolve()
        folder.mkdir(exist_ok=True)
        practice = Practice(patients, SEED, "InnoDB")
        if kept and read_practice(folder) not in (None, practice):
            raise SystemExit(f"{folder} has another practice")
        try:
            with running_servers(folder, stay=kept is not None) as servers:
                prepare_practice(folder, servers, practice)
                with closing(connect_postgres(servers.analytics, "opendental_analytics")) as found:
                    yield folder, found
        finally:
            if kept is None:
                remove_servers(folder)


class _Check:
    """The steps, each of which says what it found."""

    def __init__(self, folder: Path, analytics: PostgresConnection) -> None:
        self._folder = folder
        self._settings = Settings("test", FileConfigProvider(folder))
        self._analytics = analytics
        self._started = time.monotonic()
        self.differences = 0

    def say(self, words: str) -> None:
        seconds = int(time.monotonic() - self._started)
        print(f"{seconds // 60:3}:{seconds % 60:02}  {words}", flush=True)  # noqa: T201

    def copy_and_build(self) -> None:
        """Bring the warehouse up to date, as ``etl run`` and ``etl transform`` do."""
        if not run_once(self._settings, RunRequest(), listen=lambda _: None).is_success:
            raise SystemExit("the practice could not be copied")
        self.say("copied")
        self._build()

    def _build(self, *, full_refresh: bool = False) -> None:
        summary = transform_once(self._settings, full_refresh=full_refresh, listen=lambda _: None)
        self._target = summary.folder
        if not summary.is_success:
            raise SystemExit(f"not built: {', '.join(node.name for node in summary.failed)}")
        self.say(f"built {len(summary.models)} models, passed {len(summary.tests)} tests")

    def judge(self) -> None:
        """Let every judge compare; what they read is dropped one by one."""
        with unchanged_books():
            for name, reckon, read in JUDGES:
                self._compare(name, reckon(self._analytics), read(self._analytics))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        self.say(f"{len(JUDGES)} judges have compared, in at most {peak:,} MB")

    def judge_choices(self) -> None:
        """Judge what the marts say where the practice chose otherwise."""
        for (name, value), pair in judge_preferences(self._analytics, self._target).items():
            self._compare(f"{name} = {value}", *pair)

    def compare_with_anew(self) -> None:
        """Make every table from nothing, and compare its whole content."""
        before = digest_models(self._analytics)
        empty_models(self._analytics)
        self._build(full_refresh=True)
        self._compare("tables made anew", before, digest_models(self._analytics))

    def _compare(self, name: str, reckoned: object, found: object) -> None:
        differences = list_differences(reckoned, found)
        self.differences += len(differences)
        rows = f"{len(found):,} rows" if isinstance(found, dict) else "one value"
        told = f"{len(differences):,} DIFFER" if differences else "agree"
        self.say(f"  {name}: {rows}, {told}")
        for key, (one, other) in list(differences.items())[:SHOWN]:
            self.say(f"    {key}: {one} | {other}")


if __name__ == "__main__":
    main()
