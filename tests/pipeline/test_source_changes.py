"""The practice goes on working, and altering its tables, while a run reads them."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.pipeline.events import ChunkDone, Event
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.replicate import chunking
from tests.conftest import Lab
from tests.rows import make_table, numbers, run_sql

WORDS = "CREATE TABLE words (id int PRIMARY KEY, word varchar(40)) ENGINE={engine}"
WORD_ROWS = f"INSERT INTO words SELECT seq, left(sha2(seq, 256), 32) FROM {numbers(5000)}"
REPLACE_WORDS = (
    "CREATE TABLE other_words (id int PRIMARY KEY, word int)",
    "RENAME TABLE words TO old_words, other_words TO words",
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 1000)


def test_no_lock_is_held_at_the_source_between_two_chunks(lab: Lab) -> None:
    make_table(lab.source, WORDS.format(engine="InnoDB"), WORD_ROWS)
    altered: list[int] = []

    def alter(event: Event) -> None:
        if isinstance(event, ChunkDone):
            database = lab.env["TEST_OPENDENTAL_SOURCE_DB"]
            with closing(connect_mysql(lab.servers.source, database)) as other:
                run_sql(
                    other,
                    "SET lock_wait_timeout = 1",
                    f"ALTER TABLE words COMMENT '{len(altered)}'",
                )
            altered.append(event.rows)

    assert run_once(lab.settings, RunRequest(), listen=alter).is_success
    assert sum(altered) == 2 * 5000


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
@pytest.mark.parametrize(
    "change",
    [
        ("ALTER TABLE words ADD note text",),
        ("ALTER TABLE words MODIFY word varchar(60)",),
        REPLACE_WORDS,
    ],
)
def test_a_table_altered_between_two_chunks_is_not_called_equal(
    lab: Lab, engine: str, change: tuple[str, ...]
) -> None:
    make_table(lab.source, WORDS.format(engine=engine), WORD_ROWS)
    events: list[Any] = []

    def alter(event: Event) -> None:
        if isinstance(event, ChunkDone) and not events:
            events.append(event)
            run_sql(lab.source, *change)

    (failed,) = run_once(lab.settings, RunRequest(), listen=alter).failed
    assert "altered at the source" in (failed.error or "")
    assert lab.analytics.execute("SELECT to_regclass('raw.words')").fetchone() == (None,)
