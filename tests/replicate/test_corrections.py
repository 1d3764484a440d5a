"""A run mends what somebody else wrote in our copies where it meets it, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.replicate import chunking
from tests.conftest import Lab
from tests.rows import make_table, numbers, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 100)


@pytest.fixture
def visits(lab: Lab) -> Lab:
    make_table(
        lab.source,
        "CREATE TABLE visits (id int NOT NULL PRIMARY KEY, room int, stamp timestamp NOT NULL "
        "DEFAULT current_timestamp ON UPDATE current_timestamp, KEY (stamp))",
        "INSERT INTO visits SELECT seq, seq, IF(seq < 1000, '2024-01-01', '2024-06-01') "
        f"FROM {numbers(1000)}",
    )
    return lab


def corrections(summary: RunSummary) -> list[str]:
    assert summary.is_success
    return [sentence for outcome in summary.outcomes for sentence in outcome.corrections]


def test_a_run_without_foreign_changes_mends_nothing(visits: Lab, run: Run) -> None:
    assert corrections(run()) == []
    run_sql(visits.source, "UPDATE visits SET room = 0 WHERE id IN (7, 707)")
    run_sql(visits.source, "DELETE FROM visits WHERE id = 8")
    assert corrections(run()) == []
    assert corrections(run(full=True)) == []


CASES = {
    # The source's row beside it changed, so the run reads the replica's rows of the chunk.
    "replication": (
        "UPDATE visits SET room = -1 WHERE id = 305",
        "",
        ["replication was changed by somebody else in the keys from 301 to 400: "
         "2 rows were written anew, keys 305, 307; mended"],
    ),
    "rows of replication": (
        "DELETE FROM visits WHERE id = 505",
        "",
        ["replication was changed by somebody else in the keys from 501 to 600: "
         "1 row was written anew, keys 505; mended"],
    ),
    "raw": (
        "",
        "UPDATE raw.visits SET room = -1 WHERE id = 305",
        ["raw was changed by somebody else in the keys from 301 to 400; mended"],
    ),
    "rows of raw": (
        "",
        "DELETE FROM raw.visits WHERE id > 850",
        ["raw was changed by somebody else in the keys from 801 to 900 and 1 more range; mended"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_somebody_else_wrote_is_mended_and_said(
    visits: Lab, run: Run, verify: Verify, case: str
) -> None:
    replication, raw, expected = CASES[case]
    run()
    if replication:
        run_sql(visits.replication, replication)
    if raw:
        visits.analytics.execute(raw.encode())
    if not case.startswith("rows"):
        run_sql(visits.source, "UPDATE visits SET room = 0 WHERE id = 307")
    summary = run()
    assert corrections(summary) == expected
    assert verify(deep=True).is_success
    row = visits.analytics.execute(
        "SELECT notes FROM etl.table_run WHERE run_id = %s", (summary.run_id,)
    ).fetchone()
    assert row is not None
    assert row[0] == expected
    assert corrections(run()) == []


STRATEGIES: dict[str, dict[str, Any]] = {
    "incremental": {"extraction_strategy": "incremental", "incremental_column": "stamp"},
    "append_only": {"extraction_strategy": "append_only"},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_strategy_missed_is_found_and_mended(
    visits: Lab, run: Run, verify: Verify, strategy: str
) -> None:
    tables = {"tables": {"visits": STRATEGIES[strategy]}}
    run(tables=tables)
    run_sql(visits.source, "UPDATE visits SET room = 0, stamp = stamp WHERE id IN (5, 205)")
    assert corrections(run(tables=tables)) == []
    (result,) = verify(tables=tables).results
    assert [(d.place, d.keys) for d in result.discrepancies] == [("replication", ("5", "205"))]
    assert verify(tables=tables, repair=True).is_success
    assert verify(tables=tables, deep=True).is_success

    run_sql(visits.source, "UPDATE visits SET room = 1, stamp = stamp WHERE id IN (6, 206)")
    run(tables=tables)
    tables["tables"]["visits"] = {**STRATEGIES[strategy], "verify_every": 1e-9}
    expected = (
        "replication had missed changes of the source: 2 rows were written anew, keys 6, 206; "
        "mended"
    )
    assert corrections(run(tables=tables)) == [expected]
    assert verify(tables=tables, deep=True).is_success


def test_a_run_by_stamps_tells_an_edit_that_no_counter_shows_from_what_it_writes(
    visits: Lab, run: Run, verify: Verify
) -> None:
    """It claims the keys alone; the edit is left to a scrub, or to the next full pass."""
    tables: dict[str, Any] = {"tables": {"visits": STRATEGIES["incremental"]}}
    pipeline = {"verify": {"scrub_seconds": 0}}
    run(tables=tables)
    visits.analytics.execute(b"SET track_counts = off")
    visits.analytics.execute(b"UPDATE raw.visits SET room = -1 WHERE id = 305")
    run_sql(visits.source, "UPDATE visits SET room = 0 WHERE id IN (307, 507)")
    assert corrections(run(tables=tables, pipeline=pipeline)) == []
    (result,) = verify(tables=tables).results
    assert [(d.place, d.keys) for d in result.discrepancies] == [("raw", ("305",))]
    tables["tables"]["visits"] = {**STRATEGIES["incremental"], "verify_every": 1e-9}
    assert corrections(run(tables=tables)) == [
        "raw was changed by somebody else in the keys from 301 to 400; mended"
    ]
    assert verify(tables=tables, deep=True).is_success
