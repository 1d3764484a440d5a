"""Lag of ``etl follow`` while rows change at a steady rate, and after a burst.

    python -m benchmarks.lag --rate 1000 --tables 20 --seconds 600

Each transaction writes its number into a row of a table of its own; a reader of ``raw`` looks every
few milliseconds how far that has come. So a lag is that of a transaction, from its commit at the
source to the moment at which somebody can read it. Prints how lags are distributed, the follower's
peak memory and processor time, and the source's processor time with and without a follower.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.memory import environment, etl_run
from benchmarks.stage import Stage, open_servers, run_at_source, set_stage
from etl_pipeline.demo.server_databases import connect_mysql, connect_postgres

ROWS = 20_000
CHANGED_AT_ONCE = 5
LOOK_SECONDS = 0.005
_TABLE = """
CREATE TABLE t{number} (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, {columns}
) ENGINE=InnoDB;
INSERT INTO t{number} (n0) SELECT seq FROM seq_1_to_{rows};
"""
_COLUMNS = ", ".join(
    [f"c{n} varchar(20) NOT NULL DEFAULT 'abc'" for n in range(13)]
    + [f"n{n} int NOT NULL DEFAULT 5" for n in range(14)]
)
_BEAT = """
CREATE TABLE beat (id int NOT NULL PRIMARY KEY, number bigint NOT NULL) ENGINE=InnoDB;
INSERT INTO beat VALUES (1, 0);
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Beats:
    """When each transaction was committed, by its number, and how late it was seen."""

    committed: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def watch(self, stage: Stage, done: threading.Event) -> None:
        """Look how far ``raw`` is, until *done* and the last transaction is there."""
        seen = 0
        with closing(connect_postgres(stage.servers.analytics, stage.analytics)) as reader:
            while not (done.is_set() and seen >= len(self.committed)):
                row: Any = reader.execute("SELECT number FROM raw.beat").fetchone()
                now = time.monotonic()
                self.lags += [now - at for at in self.committed[seen : row[0]]]
                seen = max(seen, row[0])
                time.sleep(LOOK_SECONDS)


def change_steadily(stage: Stage, beats: Beats, rate: int, tables: int, seconds: float) -> None:
    """Change about *rate* rows a second, each transaction some of one table."""
    chance = random.Random(1)  # noqa: S311 - the same changes each time
    began = time.monotonic()
    changed = 0
    with (
        closing(connect_mysql(stage.servers.source, stage.source)) as source,
        source.cursor() as cursor,
    ):
        while time.monotonic() < began + seconds:
            table, first = chance.randrange(tables), chance.randint(1, ROWS - CHANGED_AT_ONCE)
            number = len(beats.committed) + 1
            cursor.execute("BEGIN")
            cursor.execute(
                f"UPDATE t{table} SET n0 = n0 + 1, c3 = '{number}' "
                f"WHERE id BETWEEN {first} AND {first + CHANGED_AT_ONCE - 1}"
            )
            cursor.execute("UPDATE beat SET number = %s", (number,))
            cursor.execute("COMMIT")
            beats.committed.append(time.monotonic())
            changed += CHANGED_AT_ONCE + 1
            ahead = changed / rate - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)


@contextmanager
def following(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``etl follow`` as a child for the block, from when all tables are followed."""
    with subprocess.Popen(
        [*etl_run()[:-1], "follow"],
        env=environment(stage.folder) | {"PYTHONPATH": str(Path.cwd())},
        cwd=stage.folder,
    ) as child:
        try:
            while not _is_followed(stage):
                if child.poll() is not None:
                    raise SystemExit("etl follow has ended")
                time.sleep(0.2)
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(120)


def _is_followed(stage: Stage) -> bool:
    if stage.ask_analytics("SELECT to_regclass('etl.follower')") == [(None,)]:
        return False
    return bool(stage.ask_analytics("SELECT 1 FROM etl.follower WHERE shows_at IS NOT NULL"))


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_megabytes(pid: int) -> float:
    """Return the most memory that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def share(values: list[float], part: float) -> float:
    """Return the value below which *part* of *values* is."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def measure(stage: Stage, rate: int, tables: int, seconds: float) -> None:
    """Measure and print one stage."""
    source = stage.server_pids[0]
    began = processor_seconds(source)
    change_steadily(stage, Beats(), rate, tables, min(seconds, 30.0))
    alone = (processor_seconds(source) - began) / min(seconds, 30.0)
    run_at_source(stage, "UPDATE beat SET number = 0")
    with following(stage) as child:
        beats, done = Beats(), threading.Event()
        watcher = threading.Thread(target=beats.watch, args=(stage, done))
        watcher.start()
        began, own = processor_seconds(source), processor_seconds(child.pid)
        change_steadily(stage, beats, rate, tables, seconds)
        beside = (processor_seconds(source) - began) / seconds
        own = (processor_seconds(child.pid) - own) / seconds
        done.set()
        watcher.join()
        lags = beats.lags
        sys.stdout.write(
            f"{len(lags):,} transactions, {rate:,} rows a second over {tables} tables: "
            f"lag p50 {share(lags, 0.5):.2f} s, p99 {share(lags, 0.99):.2f} s, "
            f"longest {max(lags):.2f} s\n"
            f"follower: {peak_megabytes(child.pid):,.0f} MB at most, {own:.2f} of a processor; "
            f"source: {beside:.2f} of a processor, {alone:.2f} without a follower\n"
        )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--tables", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=600.0)
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers' account reads below it
        with open_servers(folder) as servers:
            stage = set_stage(servers, folder, "lag")
            script = "".join(
                _TABLE.format(number=number, columns=_COLUMNS, rows=ROWS)
                for number in range(choices.tables)
            )
            run_at_source(stage, script + _BEAT)
            measure(stage, choices.rate, choices.tables, choices.seconds)


if __name__ == "__main__":
    main()
