"""What is remembered of a replica is forgotten before it is not true any more.

A build that was cut off is gone on with by what is remembered of its incoming table. Where that
table is another by now, or gone, nothing of the memory may be believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.replicate import chunking, full_table
from etl_pipeline.replicate.table import ReplicateRequest, replicate_table
from etl_pipeline.state import replicas
from tests.conftest import Lab
from tests.hops import FINGERPRINT, Bench
from tests.rows import make_table, read_mysql, read_postgres, run_sql

NOTE = "CREATE TABLE note (k int PRIMARY KEY, words varchar(20))"
NOTES = "INSERT INTO note VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')"


class CutOffError(Exception):
    """Raised where a kill would end the run."""


@pytest.fixture
def bench(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A table of three chunks, the first of which a run has finished that was cut off then."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 2)
    make_table(lab.source, NOTE, NOTES)
    made = Bench(lab)
    with pytest.raises(CutOffError):
        go_on(made, cut_off=True)
    yield made
    made.close()


def go_on(bench: Bench, *, cut_off: bool = False) -> None:
    """The first hop, as the same run or one that goes on with it."""

    def report(rows: int, size: int) -> None:
        if cut_off:
            raise CutOffError

    request = ReplicateRequest(
        bench.read_text("note"),
        bench.workers,
        bench.replication,
        FINGERPRINT,
        bench.lease,
        report,
    )
    replicate_table(request)


def test_chunks_of_an_incoming_table_that_is_made_anew_are_not_believed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(bench.lab.source, "ALTER TABLE note ADD later int")
    with monkeypatch.context() as dying:
        dying.setattr(replicas, "remember_empty", lambda *_: _cut_off())
        with pytest.raises(CutOffError):
            go_on(bench)
    run_sql(bench.lab.source, "ALTER TABLE note DROP later")
    go_on(bench)
    assert read_mysql(bench.lab.replication, "note") == read_mysql(bench.lab.source, "note")


def test_chunks_of_an_incoming_table_that_is_gone_are_not_believed(bench: Bench) -> None:
    run_sql(bench.lab.replication, "DROP TABLE _etl_incoming_note")
    go_on(bench)
    assert read_mysql(bench.lab.replication, "note") == read_mysql(bench.lab.source, "note")


def test_a_new_replica_that_was_not_swapped_in_is_not_taken_for_the_old_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look alike and have as many rows."""
    make_table(lab.source, NOTE, NOTES)
    assert run_once(lab.settings, RunRequest(), listen=lambda event: None).is_success
    run_sql(lab.source, "UPDATE note SET words = 'new' WHERE k = 2")
    with monkeypatch.context() as dying:
        dying.setattr(full_table, "swap_replica", lambda *_, **__: _refuse())
        assert not run_once(
            lab.settings, RunRequest(full=True), listen=lambda event: None
        ).is_success
    assert run_once(lab.settings, RunRequest(), listen=lambda event: None).is_success
    assert read_mysql(lab.replication, "note") == read_mysql(lab.source, "note")
    assert read_postgres(lab.analytics, "note") == read_mysql(lab.source, "note")


def _cut_off() -> Any:
    raise CutOffError


def _refuse() -> Any:
    raise pymysql.err.OperationalError(1021, "Muster")
