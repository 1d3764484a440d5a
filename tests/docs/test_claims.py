"""Sentences of the pages that no other test holds to: what a run sees, and what it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.pipeline.events import ChunkDone, Event
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.replicate import chunking
from tests.docs.pages import read_page
from tests.rows import make_table

if TYPE_CHECKING:
    from etl_pipeline.verify.job import VerifyScope
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab

HOW = " ".join(read_page("docs/how_it_works.md").split())
README = " ".join(read_page("README.md").split())


def run(lab: Lab, **configuration: Any) -> dict[str, str | None]:
    """The error of each table."""
    settings = lab.settings_with(**configuration)
    summary = run_once(settings, RunRequest(), listen=lambda event: None)
    return {outcome.table: outcome.error for outcome in summary.outcomes}


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_a_chunk_shows_one_instant_and_chunks_follow_each_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """All rows are changed, and the table altered, right after the first of ten chunks was read."""
    assert "A chunk shows one instant of the table; the chunks of a table follow" in HOW
    assert "waits no longer than for a chunk" in HOW
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 100)
    make_table(
        lab.source,
        f"CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL) ENGINE={engine}",
        "INSERT INTO t WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r "
        "WHERE n < 1000) SELECT n, 0 FROM r",
    )
    seen: list[Event] = []

    def change(event: Event) -> None:
        if isinstance(event, ChunkDone) and event.hop == "replicate" and not seen:
            with lab.source.cursor() as cursor:
                cursor.execute("UPDATE t SET v = 1")
                cursor.execute("SET SESSION lock_wait_timeout = 2")
                cursor.execute("ALTER TABLE t ADD KEY (v)")
            seen.append(event)

    settings = lab.settings_with(pipeline={"source": {"connections": 1}})
    assert run_once(settings, RunRequest(), listen=change).is_success
    rows = lab.analytics.execute("SELECT count(*) FROM raw.t WHERE v = 0").fetchone()
    assert (len(seen), rows) == (1, (100,))


def test_a_table_that_changes_or_goes_at_the_source(lab: Lab) -> None:
    assert "Changes of the source's schema](docs/schema_drift.md) are followed" in README
    make_table(lab.source, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    make_table(lab.source, "CREATE TABLE gone (id int PRIMARY KEY)", "INSERT INTO gone VALUES (1)")
    assert run(lab) == {"t": None, "gone": None}
    with lab.source.cursor() as cursor:
        cursor.execute("DROP TABLE gone")
        cursor.execute("ALTER TABLE t ADD COLUMN late int")
    assert run(lab) == {"t": None}
    assert lab.analytics.execute("SELECT id FROM raw.gone").fetchall() == [(1,)]
    assert lab.analytics.execute("SELECT id, late FROM raw.t").fetchall() == [(1, None)]


def test_a_practice_at_work_is_told_from_a_wrong_copy(lab: Lab) -> None:
    page = read_page("docs/commands.md")
    make_table(lab.source, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    run(lab)
    with lab.source.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (2)")
    (result,) = verify_once(lab.settings, [], VerifyScope(), listen=lambda event: None).results
    assert result.discrepancies == []
    assert result.moved == 1
    assert "is no discrepancy" in page
