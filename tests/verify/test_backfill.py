"""``etl run TABLE --backfill`` reads one range again, and leaves the rest as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.errors import ConfigurationError, EtlError
from etl_pipeline.pipeline.backfill import backfill_once
from etl_pipeline.pipeline.request import BackfillRange, RunRequest
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.replicate import chunking
from tests.conftest import Lab
from tests.killing import KilledError, killing, wait_for_the_lock
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]
TABLES = {"tables": {"visits": {"extraction_strategy": "append_only"}}}


@pytest.fixture
def visits(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 100)
    make_table(
        lab.source,
        "CREATE TABLE visits (id int NOT NULL PRIMARY KEY, room int, day date, seen datetime)",
        "INSERT INTO visits SELECT seq, seq, DATE_ADD('2024-01-01', INTERVAL seq DIV 10 DAY), "
        f"'2024-01-01' FROM {numbers(500)}",
    )
    return lab


def backfill(lab: Lab, *asked: str | None) -> RunSummary:
    settings = lab.settings_with(tables=TABLES)
    return backfill_once(
        settings, RunRequest(["visits"], backfill=BackfillRange(*asked)), listen=lambda event: None
    )


@pytest.mark.parametrize(
    "asked",
    [("120", "250", None), ("2024-01-13", "2024-01-26", "day")],
    ids=["by the key", "by a date"],
)
def test_only_the_range_is_read_and_mended(
    visits: Lab, run: Run, verify: Verify, asked: tuple[str, str, str | None]
) -> None:
    run(tables=TABLES)
    run_sql(
        visits.source,
        "UPDATE visits SET room = -1 WHERE id IN (119, 120, 250, 260)",
        "DELETE FROM visits WHERE id = 130",
        "UPDATE visits SET id = -id WHERE id = 5",
    )
    visits.analytics.execute("UPDATE raw.visits SET room = -2 WHERE id IN (200, 400)")
    run_sql(visits.replication, "UPDATE visits SET room = -2 WHERE id = 210")
    summary = backfill(visits, *asked)
    assert summary.is_success
    (outcome,) = summary.outcomes
    assert (outcome.strategy, outcome.rows) == ("backfill", 130 if asked[2] is None else 139)
    assert (outcome.inserted, outcome.updated, outcome.deleted) == (0, 3, 1)
    rooms = "SELECT id, room FROM raw.visits WHERE room < 0 ORDER BY id"
    assert visits.analytics.execute(rooms.encode()).fetchall() == [(120, -1), (250, -1), (400, -2)]
    # What is recorded is true: a full pass mends the rest, and nothing is found after it.
    full: Any = {"tables": {"visits": {"extraction_strategy": "fingerprint"}}}
    visits.analytics.execute("UPDATE raw.visits SET room = 400 WHERE id = 400")
    run(tables=full)
    assert read_mysql(visits.source, "visits") == read_postgres(visits.analytics, "visits")
    assert verify(deep=True, tables=full).is_success


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ((), "needs a range"),
        (("9", "5"), "range is empty"),
        (("2024-01-01", "2024-02-01"), "several columns are dates"),
        (("2024-01-01", None, "room"), "no such date column"),
        (("yesterday", None, "day"), "cannot be read as a date"),
        (("5", "9", "day"), "whole numbers are a range of the key"),
    ],
)
def test_a_range_that_means_nothing_is_refused(
    visits: Lab, asked: tuple[str | None, ...], what: str
) -> None:
    with pytest.raises(ConfigurationError, match=what):
        backfill(visits, *asked)


@pytest.mark.parametrize("after", [True, False], ids=["after it", "before it"])
def test_killed_at_any_change_that_lasts_and_done_again(
    visits: Lab, run: Run, verify: Verify, after: bool
) -> None:
    """The range is the source's, the rest is as it was, and what is recorded of both is true."""
    run(tables=TABLES)
    at, is_dead = 0, True
    while is_dead:
        at += 1
        run_sql(
            visits.source,
            f"UPDATE visits SET room = -{at} WHERE id IN (119, 120, 250, 260)",
            f"DELETE FROM visits WHERE id = 130 + {at}",
        )
        with killing(at, after=after) as killer, contextlib.suppress(KilledError, EtlError):
            backfill(visits, "120", "250")
        is_dead = killer.is_dead
        wait_for_the_lock(visits)
        (again,) = backfill(visits, "120", "250").outcomes
        if again.error:  # killed between the two targets, which only a run brings together
            assert again.fix == "etl run visits"
            run(tables=TABLES)
            (again,) = backfill(visits, "120", "250").outcomes
        assert again.error is None
        in_range = "SELECT id, room FROM {} WHERE id BETWEEN 120 AND 250 ORDER BY id"
        with visits.source.cursor() as cursor:
            cursor.execute(in_range.format("visits"))
            expected = list(cursor.fetchall())
        query = in_range.format("raw.visits").encode()
        assert visits.analytics.execute(query).fetchall() == expected
        rest = b"SELECT room FROM raw.visits WHERE id IN (119, 260) ORDER BY id"
        assert visits.analytics.execute(rest).fetchall() == [(119,), (260,)]
    assert at > 5
    full: Any = {"tables": {"visits": {"extraction_strategy": "fingerprint"}}}
    run(tables=full)
    assert read_mysql(visits.source, "visits") == read_postgres(visits.analytics, "visits")
    assert verify(deep=True, tables=full).is_success
