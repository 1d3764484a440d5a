"""A table of raw that others alter between the plan of its load and the load is planned anew."""

from __future__ import annotations

import pytest

from etl_pipeline.pipeline.events import ChunkDone, Event, TableRetried
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary
from tests.conftest import Lab
from tests.rows import make_table, read_mysql, read_postgres, run_sql


@pytest.fixture
def words(lab: Lab) -> Lab:
    make_table(
        lab.source,
        "CREATE TABLE words (k int PRIMARY KEY, word varchar(20))",
        "INSERT INTO words VALUES (1, 'one'), (2, 'two')",
    )
    assert run_once(lab.settings, RunRequest(), listen=lambda event: None).is_success
    run_sql(lab.source, "UPDATE words SET word = 'three' WHERE k = 2")
    return lab


def run_beside(lab: Lab, *statements: str) -> tuple[RunSummary, list[str]]:
    """A run, during whose first hop *statements* are executed once; why it was tried again."""
    left, reasons = list(statements), []

    def listen(event: Event) -> None:
        if isinstance(event, ChunkDone) and event.hop == "replicate":
            while left:
                run_sql(lab.analytics, left.pop())
        elif isinstance(event, TableRetried):
            reasons.append(event.reason)

    return run_once(lab.settings, RunRequest(), listen=listen), reasons


def test_a_harmless_alteration_is_met_by_another_attempt(words: Lab) -> None:
    summary, reasons = run_beside(words, "COMMENT ON COLUMN raw.words.word IS 'theirs'")
    assert summary.is_success
    assert reasons == ["others altered the table in raw while its rows were read"]
    assert read_postgres(words.analytics, "words") == read_mysql(words.source, "words")


def test_another_column_is_refused_as_ever(words: Lab) -> None:
    summary, reasons = run_beside(words, "ALTER TABLE raw.words ADD COLUMN mine int")
    (outcome,) = summary.outcomes
    assert len(reasons) == 1
    assert outcome.error
    assert "mine is not at the source" in outcome.error
