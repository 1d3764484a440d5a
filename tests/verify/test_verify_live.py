"""``etl verify`` beside a practice that works on: no false alarm, and what is wrong stands out."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import pytest

from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.replicate import chunking
from tests.conftest import Lab
from tests.rows import make_table, numbers, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]

ROWS = 10_000
ROWS_PER_SECOND = 1_000
VISITS = """
CREATE TABLE visits (
  id bigint NOT NULL PRIMARY KEY, room int NOT NULL, note varchar(40),
  stamp timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp, KEY (stamp)
) ENGINE=InnoDB"""
FILL = f"INSERT INTO visits SELECT seq, seq % 50, 'as it was', '2020-01-01' FROM {numbers(ROWS)}"


@dataclass
class Writer:
    """Edits, deletes and adds rows at the source, ``ROWS_PER_SECOND``."""

    lab: Lab
    written: int = 0
    seconds: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        chance, started, next_id = random.Random(7), time.monotonic(), ROWS
        name = self.lab.env["TEST_OPENDENTAL_SOURCE_DB"]
        with closing(connect_mysql(self.lab.servers.source, name)) as connection:
            while not self.done.wait(0.02):
                self.seconds = time.monotonic() - started
                due = int(self.seconds * ROWS_PER_SECOND) - self.written
                if due < 20:
                    continue
                first, edits = chance.randrange(1, ROWS), due - 4
                run_sql(
                    connection,
                    f"UPDATE visits SET room = room + 1 WHERE id >= {first} LIMIT {edits}",
                    f"DELETE FROM visits WHERE id >= {chance.randrange(1, ROWS)} "
                    f"AND id NOT IN ({', '.join(KEPT)}) LIMIT 2",
                    f"INSERT INTO visits (id, room, note) VALUES ({next_id + 1}, 1, 'new'), "
                    f"({next_id + 2}, 2, NULL)",
                )
                next_id += 2
                self.written += due


@contextmanager
def writing(lab: Lab) -> Iterator[Writer]:
    writer = Writer(lab)
    thread = threading.Thread(target=writer.work)
    thread.start()
    try:
        yield writer
    finally:
        writer.done.set()
        thread.join()


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 2_000)


INCREMENTAL = {
    "tables": {
        "tables": {"visits": {"extraction_strategy": "incremental", "incremental_column": "stamp"}}
    }
}
KEPT = ("4321", "8765")
PLANTED = (
    ("replication", f"UPDATE visits SET note = 'planted' WHERE id = {KEPT[0]}"),
    ("raw", f"UPDATE raw.visits SET note = 'planted' WHERE id = {KEPT[1]}"),
)


@pytest.mark.parametrize(
    ("tables", "turns", "runs_every"),
    [({}, 20, 21), (INCREMENTAL, 8, 4)],
    ids=["fingerprint", "incremental"],
)
def test_a_source_at_work_raises_no_alarm_and_hides_none(
    lab: Lab, run: Run, verify: Verify, tables: dict[str, object], turns: int, runs_every: int
) -> None:
    make_table(lab.source, VISITS, FILL)
    run(**tables)
    with writing(lab) as writer:
        for turn in range(turns):
            if (
                turn % runs_every == runs_every - 1
            ):  # and runs in between, which leave chunks without a text's digest
                run(**tables)
            summary = verify(deep=turn == 6, **tables)
            assert [v.discrepancies for v in summary.results] == [[]], turn
            assert summary.is_success
        for place, statement in PLANTED:
            if place == "raw":
                lab.analytics.execute(statement.encode())
            else:
                run_sql(lab.replication, statement)
            (result,) = verify(repair=True, **tables).results
            (found,) = result.discrepancies
            assert (found.place, found.count) == (place, 1)
            assert found.keys == (statement.rsplit(" ", 1)[1],)
            assert result.is_repaired
        assert verify(**tables).is_success
    assert writer.written > 0.9 * ROWS_PER_SECOND * writer.seconds
    run(**tables)
    summary = verify(deep=True, **tables)
    assert summary.is_success
    assert [v.moved for v in summary.results] == [0]
