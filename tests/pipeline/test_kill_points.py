"""A run that is killed at any of the changes that last is gone on with by the next one.

The law: the next run ends as an undisturbed one would, and reads no chunk again that is finished.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline import table_worker
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.replicate import chunking, compare, full_table
from etl_pipeline.state import segments
from etl_pipeline.transfer.chunk import Chunk
from tests.conftest import Lab
from tests.killing import KilledError, killing, wait_for_the_lock
from tests.rows import make_table, read_mysql, read_postgres, run_sql

ROWS = 30
OLD_ROWS = ", ".join(f"({n}, 'note {n}', '2024-01-{n + 1:02}')" for n in range(ROWS))
NOTE = (
    "CREATE TABLE note (k int PRIMARY KEY, words varchar(50), stamp timestamp NOT NULL "
    "DEFAULT current_timestamp() ON UPDATE current_timestamp(), KEY words (words), KEY (stamp))"
)
ONE = "CREATE TABLE one (k varchar(9) PRIMARY KEY, words text)"
CHANGES = (
    "UPDATE note SET words = 'new {0}' WHERE k IN (2, 29)",
    "DELETE FROM note WHERE k IN (3, {0} + 199)",
    "INSERT INTO note (k, words) VALUES ({0} + 200, 'more')",
    "UPDATE one SET words = 'new {0}' WHERE k = 'a'",
)
STRATEGIES: dict[str, dict[str, Any]] = {
    "full_table": {},
    "fingerprint": {},
    "incremental": {"incremental_column": "stamp"},
    "append_only": {},
}


@pytest.fixture
def notes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of three chunks and one of one, already copied."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", ROWS // 3)
    monkeypatch.setattr(segments, "LEAST_BYTES", 16)
    monkeypatch.setattr(table_worker, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(compare, "CHECKPOINT_SECONDS", 0)
    make_table(lab.source, NOTE, f"INSERT INTO note VALUES {OLD_ROWS}")
    make_table(lab.source, ONE, "INSERT INTO one VALUES ('a', 'A'), ('b', 'B')")
    return lab


def settings_of(lab: Lab, strategy: str) -> Any:
    rest = STRATEGIES[strategy]
    note = {"extraction_strategy": strategy, **rest}
    return lab.settings_with(
        tables={"tables": {"note": note, "one": {}}},
        pipeline={"general": {"parallel_tables": 1}, "source": {"connections": 1}},
    )


def run(settings: Any) -> Any:
    return run_once(settings, RunRequest(), listen=lambda event: None)


@contextlib.contextmanager
def reading(log: list[tuple[str, Chunk]]) -> Any:
    """Note each chunk that is read at the source."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (full_table, compare):
            extract = module.extract_chunk

            def extract_and_note(
                text: Any, chunk: Any, *rest: Any, extract: Callable[..., Any] = extract
            ) -> Any:
                log.append((text.name, chunk))
                return extract(text, chunk, *rest)

            patch.setattr(module, "extract_chunk", extract_and_note)
        yield


def finished_chunks(lab: Lab) -> set[tuple[str, Chunk]]:
    """The chunks that the last run has finished, by what the targets remember."""
    token = lab.analytics.execute(
        "SELECT token FROM etl.run WHERE run_id = (SELECT max(run_id) FROM etl.run) "
        "AND outcome IS DISTINCT FROM 'succeeded'"
    ).fetchone()
    with lab.replication.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, ordinal, lower_bound, upper_bound FROM _etl_chunk "
            "WHERE run_token = %s AND is_text_digest",
            (bytes(token[0]) if token else b"",),
        )
        return {
            (
                name.removeprefix("_etl_incoming_"),
                Chunk(
                    ordinal,
                    None if lower is None else int(lower),
                    None if upper is None else int(upper),
                ),
            )
            for name, ordinal, lower, upper in cursor.fetchall()
        }


def assert_equal(lab: Lab, strategy: str) -> None:
    for table in ("note", "one"):
        source, replica = read_mysql(lab.source, table), read_mysql(lab.replication, table)
        assert read_postgres(lab.analytics, table) == replica
        if strategy == "append_only" and table == "note":
            continue  # edits of old rows wait for the next full pass
        assert replica == source
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_incoming%%'")
        assert not cursor.fetchall()
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_replaced%%'")
        assert not cursor.fetchall()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "again"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_killed_run_is_gone_on_with(
    notes: Lab, strategy: str, is_first: bool, request: pytest.FixtureRequest
) -> None:
    if not request.config.getoption("--long") and (is_first or strategy == "append_only"):
        pytest.skip("with --long: the others take the same steps")
    settings = settings_of(notes, strategy)
    run(settings)
    run(settings)  # sets the watermark, where there is one
    moment, is_over = 0, False
    while not is_over:
        moment += 1
        if is_first:
            forget_everything(notes)
        run_sql(notes.source, *(change.format(moment) for change in CHANGES))
        with killing(moment) as killer, contextlib.suppress(KilledError, EtlError):
            run(settings)
        is_over = not killer.is_dead
        wait_for_the_lock(notes)
        finished = finished_chunks(notes) if has_state(notes) else set()
        read_again: list[tuple[str, Chunk]] = []
        with reading(read_again):
            summary = run(settings)
        assert summary.is_success, (moment, summary.failed)
        assert not finished.intersection(read_again), moment
        assert_equal(notes, strategy)
    assert moment > 10


def forget_everything(lab: Lab) -> None:
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE `{name}`")
    lab.analytics.execute("DROP SCHEMA IF EXISTS raw CASCADE")
    lab.analytics.execute("DROP SCHEMA IF EXISTS etl CASCADE")


def has_state(lab: Lab) -> bool:
    row = lab.analytics.execute("SELECT to_regclass('etl.heartbeat')").fetchone()
    with lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_chunk'")
        return bool(row and row[0] and cursor.fetchone())
