"""What a run takes over from one that was cut off: readings that are fresh, and said apart."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etl_pipeline.cli.screens.run import run_json, run_screen
from etl_pipeline.cli.screens.status import history_screen
from etl_pipeline.pipeline.events import ChunkDone, Event, TableStarted
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.status import read_history
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import chunking, full_table
from tests.conftest import Lab
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql

ONE_AT_A_TIME = {"general": {"parallel_tables": 1}, "source": {"connections": 1}}
CHUNK, ROWS = 100, 500


@pytest.fixture
def notes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of five chunks that is copied first, and a small one."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", CHUNK)
    make_table(
        lab.source,
        "CREATE TABLE note (k int PRIMARY KEY, words varchar(50))",
        f"INSERT INTO note SELECT seq, 'as it was' FROM {numbers(ROWS)}",
    )
    make_table(lab.source, "CREATE TABLE other (k int PRIMARY KEY)", "INSERT INTO other VALUES (1)")
    return lab


def run(lab: Lab, listen: Callable[[Event], None] = lambda event: None) -> RunSummary:
    tables = {"note": {"table_importance": "critical"}, "other": {}}
    settings = lab.settings_with(tables={"tables": tables}, pipeline=ONE_AT_A_TIME)
    return run_once(settings, RunRequest(), listen=listen)


def cut_off(lab: Lab, is_the_end: Callable[[Event], bool]) -> None:
    """A run that ends at an event."""

    def listen(event: Event) -> None:
        if is_the_end(event):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(lab, listen)


def is_second_table(event: Event) -> bool:
    return isinstance(event, TableStarted) and event.table == "other"


def pass_time(lab: Lab, minutes: int, chunk: str = "TRUE") -> None:
    """Let every reading be older, and those who read it have been alive a moment ago."""
    for column in ("read_from", "read_to", "proven_at"):
        lab.analytics.execute(
            f"UPDATE etl.table_run SET {column} = {column} - interval '{minutes} min'".encode()
        )
    run_sql(
        lab.replication,
        f"UPDATE _etl_chunk SET read_at = read_at - INTERVAL {minutes} MINUTE WHERE {chunk}",
    )


def assert_equal(lab: Lab) -> None:
    for table in ("note", "other"):
        assert read_mysql(lab.replication, table) == read_mysql(lab.source, table)
        assert read_postgres(lab.analytics, table) == read_mysql(lab.source, table)


def test_a_fresh_reading_is_taken_over_and_said_apart(notes: Lab) -> None:
    cut_off(notes, is_second_table)
    pass_time(notes, 40)
    run_sql(notes.source, "UPDATE note SET words = 'changed since' WHERE k = 7")
    summary = run(notes)
    assert summary.is_success
    first, *lines = run_screen(summary).splitlines()
    assert first == "Run 2 (test) succeeded: 2 of 2 tables: equal (value) 1, taken over 1"
    assert "         1 table taken over from run 1, read 40 min ago" in lines
    assert '"taken_over": [\n    "note"\n  ]' in run_json(summary)
    newest = history_screen(read_history(notes.settings, 1)).splitlines()[-1]
    assert newest.endswith("value 1, taken over 1")
    assert run(notes).is_success
    assert_equal(notes)


def test_along_a_chain_of_runs_a_reading_is_as_old_as_it_is(notes: Lab) -> None:
    cut_off(notes, is_second_table)
    for _ in range(2):
        pass_time(notes, 29)
        cut_off(notes, is_second_table)
    run_sql(notes.source, "UPDATE note SET words = 'changed since' WHERE k = 7")
    pass_time(notes, 5)
    summary = run(notes)
    assert summary.continues == 3
    assert [outcome.finished_in for outcome in summary.outcomes] == [None, None]
    assert run_screen(summary).splitlines()[0].endswith("2 of 2 tables equal (value)")
    assert_equal(notes)


@contextlib.contextmanager
def reading() -> Iterator[list[int]]:
    """Note the ordinals of note's chunks that are read to build it."""
    log: list[int] = []
    module: Any = full_table
    extract = module.extract_chunk

    def extract_and_note(text: Any, chunk: Any, *rest: Any) -> Any:
        if text.name == "note":
            log.append(chunk.ordinal)
        return extract(text, chunk, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(full_table, "extract_chunk", extract_and_note)
        yield log


@pytest.mark.parametrize("is_complete", [False, True], ids=["half done", "complete"])
def test_old_chunks_of_a_replica_that_is_being_built_are_read_again(
    notes: Lab, monkeypatch: pytest.MonkeyPatch, is_complete: bool
) -> None:
    seen = 0

    def is_fourth_chunk(event: Event) -> bool:
        nonlocal seen
        seen += isinstance(event, ChunkDone)
        return seen == 4

    if is_complete:
        with monkeypatch.context() as dying:
            dying.setattr(full_table, "swap_replica", _stop)
            cut_off(notes, lambda event: False)
    else:
        cut_off(notes, is_fourth_chunk)
    pass_time(notes, 61, chunk="ordinal IN (0, 1, 2)")
    run_sql(
        notes.source,
        "UPDATE note SET words = 'changed since' WHERE k = 7",
        "DELETE FROM note WHERE k IN (8, 150)",
        "INSERT INTO note VALUES (-3, 'new')",
    )
    with reading() as log:
        summary = run(notes)
    assert summary.is_success
    assert {0, 1, 2, 3}.intersection(log) == {0, 1, 2}
    assert len(set(log)) == len(log)
    assert [outcome.table for outcome in summary.taken_over] == ["note"]
    assert_equal(notes)


def _stop(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt
