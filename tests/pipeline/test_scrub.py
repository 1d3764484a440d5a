"""What nobody but us should have written: found where the servers count it, else by the scrub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etl_pipeline.cli.screens.run import run_screen
from etl_pipeline.cli.screens.status import status_screen
from etl_pipeline.load import scrub as scrub_raw
from etl_pipeline.pipeline.events import Event, TableFinished
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.status import read_status
from etl_pipeline.pipeline.summary import RunSummary
from etl_pipeline.replicate import chunking, update_times
from etl_pipeline.replicate import scrub as scrub_replica
from tests.conftest import Lab
from tests.rows import make_table, numbers, read_mysql, read_postgres, run_sql

Run = Callable[..., RunSummary]

CHUNK, ROWS, CHUNKS = 100, 500, 6
TABLES = ("visits", "words")
STRATEGIES: dict[str, dict[str, Any]] = {
    "fingerprint": {},
    "incremental": {"extraction_strategy": "incremental", "incremental_column": "stamp"},
    "append_only": {"extraction_strategy": "append_only"},
}
NO_SCRUB = {"verify": {"scrub_seconds": 0}}
ONE_CHUNK = {"verify": {"scrub_seconds": 1e-6}}
IN_RAW = "raw was changed by somebody else in the keys from 301 to 400; mended"
IN_REPLICA = (
    "replication was changed by somebody else in the keys from 301 to 400: "
    "1 row was written anew, keys 305; mended"
)
EDIT_RAW = "UPDATE raw.visits SET room = -1 WHERE id = 305"
EDIT_REPLICA = "UPDATE visits SET room = -1 WHERE id = 305"


@pytest.fixture
def visits(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A table of several chunks, and one without a key."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", CHUNK)
    make_table(
        lab.source,
        "CREATE TABLE visits (id int NOT NULL PRIMARY KEY, room int, stamp timestamp NOT NULL "
        "DEFAULT current_timestamp ON UPDATE current_timestamp, KEY (stamp))",
        "INSERT INTO visits SELECT seq, seq, IF(seq < 450, '2024-01-01', '2024-06-01') "
        f"FROM {numbers(ROWS)}",
    )
    make_table(lab.source, "CREATE TABLE words (word varchar(9))", "INSERT INTO words VALUES ('a')")
    yield lab
    for table in TABLES:
        assert read_mysql(lab.replication, table) == read_mysql(lab.source, table)
        assert read_postgres(lab.analytics, table) == read_mysql(lab.source, table)


def with_strategy(strategy: str) -> dict[str, Any]:
    return {"tables": {"visits": STRATEGIES[strategy], "words": {}}}


def corrections(summary: RunSummary) -> list[str]:
    assert summary.is_success, summary.failed
    return [sentence for outcome in summary.outcomes for sentence in outcome.corrections]


def edit_raw(lab: Lab, *statements: str) -> None:
    """Edit, and hand in what the session has counted, which it does within seconds by itself."""
    for statement in (*statements, "SELECT pg_stat_force_next_flush()"):
        lab.analytics.execute(statement.encode())


def know_replicas(lab: Lab) -> None:
    """Let the servers' memory of writes to the replicas show none, whoever made them."""
    known = update_times.read_update_times(lab.replication)
    update_times.write_expected(lab.replication, {t: known[t] for t in TABLES}, [])
    lab.replication.commit()


EDITS: dict[str, tuple[str, ...]] = {
    "plainly": (EDIT_RAW,),
    "as a replica": (
        "SET session_replication_role = replica", EDIT_RAW, "RESET session_replication_role",
    ),
    "and counters reset": (
        EDIT_RAW,
        "SELECT pg_stat_force_next_flush()",
        "SELECT pg_stat_reset_single_table_counters('raw.visits'::regclass)",
    ),
    "and all counters reset": (EDIT_RAW, "SELECT pg_stat_reset()"),
    "by writing it whole": (
        "CREATE TABLE raw.other AS SELECT * FROM raw.visits",
        "TRUNCATE raw.visits",
        "INSERT INTO raw.visits SELECT id, CASE id WHEN 305 THEN -1 ELSE room END, stamp, "
        "_etl_loaded_at FROM raw.other",
        "DROP TABLE raw.other",
    ),
    "by a rewrite that is not counted": (
        "ALTER TABLE raw.visits ALTER room TYPE int USING CASE id WHEN 305 THEN -1 ELSE room END",
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_raw_is_found_by_the_next_run(visits: Lab, run: Run, edit: str) -> None:
    assert corrections(run(pipeline=NO_SCRUB)) == []
    edit_raw(visits, "SELECT pg_stat_reset()")  # one more reset leaves the counters as they are
    assert corrections(run(pipeline=NO_SCRUB)) == []
    edit_raw(visits, *EDITS[edit])
    assert corrections(run(pipeline=NO_SCRUB)) == [IN_RAW]
    assert corrections(run(pipeline=NO_SCRUB)) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_edit_of_a_table_without_full_passes_is_found_too(
    visits: Lab, run: Run, strategy: str
) -> None:
    tables = with_strategy(strategy)
    run(tables=tables, pipeline=NO_SCRUB)
    run(tables=tables, pipeline=NO_SCRUB)
    edit_raw(visits, EDIT_RAW)
    assert corrections(run(tables=tables, pipeline=NO_SCRUB)) == [IN_RAW]
    run_sql(visits.replication, EDIT_REPLICA)
    assert corrections(run(tables=tables, pipeline=NO_SCRUB)) == [IN_REPLICA]


def test_an_edit_is_found_after_runs_that_refused_the_table(visits: Lab, run: Run) -> None:
    run(pipeline=NO_SCRUB)
    run(pipeline=NO_SCRUB)
    run_sql(visits.source, "ALTER TABLE visits ADD KEY rooms (room)")
    edit_raw(visits, EDIT_RAW)
    run_sql(visits.replication, EDIT_REPLICA)
    for _ in range(2):
        (failed,) = run(pipeline={"drift": "freeze", **NO_SCRUB}).failed
        assert failed.table == "visits"
    run_sql(visits.source, "ALTER TABLE visits DROP KEY rooms")
    assert corrections(run(pipeline=NO_SCRUB)) == [IN_REPLICA, IN_RAW]


def test_an_edit_of_a_table_without_a_key_is_found(visits: Lab, run: Run) -> None:
    run(pipeline=NO_SCRUB)
    edit_raw(visits, "UPDATE raw.words SET word = 'b'")
    assert corrections(run(pipeline=NO_SCRUB)) == [
        "raw was changed by somebody else in the keys from the first to the last; mended"
    ]
    run_sql(visits.replication, "UPDATE words SET word = 'c'")
    assert corrections(run(pipeline=NO_SCRUB)) == [
        "replication was changed by somebody else in the keys from the first to the last; mended"
    ]


def test_an_edit_is_found_through_a_state_that_was_restored(visits: Lab, run: Run) -> None:
    run(pipeline=NO_SCRUB)
    saved = ("raw_counter", "chunk")
    for table in saved:
        visits.analytics.execute(f"CREATE TABLE etl.saved_{table} AS TABLE etl.{table}".encode())
    edit_raw(visits, EDIT_RAW)
    run_sql(visits.source, "UPDATE visits SET room = 7 WHERE id = 3")
    assert corrections(run(pipeline=NO_SCRUB)) == [IN_RAW]
    edit_raw(visits, EDIT_RAW)
    for table in saved:
        visits.analytics.execute(f"DELETE FROM etl.{table}".encode())
        visits.analytics.execute(f"INSERT INTO etl.{table} TABLE etl.saved_{table}".encode())
        visits.analytics.execute(f"DROP TABLE etl.saved_{table}".encode())
    assert any("301 to 400" in one or "1 more range" in one for one in corrections(run()))


def test_what_was_taken_back_is_no_edit(visits: Lab, run: Run) -> None:
    run(pipeline=NO_SCRUB)
    with visits.analytics.transaction(force_rollback=True):
        visits.analytics.execute(EDIT_RAW.encode())
    edit_raw(visits)
    run_sql(visits.replication, EDIT_REPLICA, "UPDATE visits SET room = 305 WHERE id = 305")
    assert corrections(run(pipeline=NO_SCRUB)) == []


def test_what_nobody_wrote_to_is_not_looked_at(
    visits: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pipeline=NO_SCRUB)
    run_sql(visits.source, "UPDATE visits SET room = 7 WHERE id = 3")
    run(pipeline=NO_SCRUB)  # our own writes explain the counters
    know_replicas(visits)
    for module, name in ((scrub_raw, "_digest_again"), (scrub_replica, "_holds_text")):
        monkeypatch.setattr(module, name, _refuse)
    assert corrections(run(pipeline=NO_SCRUB)) == []


def _refuse(*_: Any) -> Any:
    raise AssertionError("it was looked at")


def hide(lab: Lab, place: str) -> None:
    """Edit a row so that neither server tells of it."""
    if place == "raw":
        lab.analytics.execute(b"SET track_counts = off")
        lab.analytics.execute(EDIT_RAW.encode())
        lab.analytics.execute(b"RESET track_counts")
    else:
        run_sql(lab.replication, EDIT_REPLICA)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("place", ["raw", "replication"])
def test_an_edit_that_no_server_tells_of_is_found_within_a_round(
    visits: Lab, run: Run, place: str, strategy: str
) -> None:
    tables = with_strategy(strategy)
    run(tables=tables, pipeline=NO_SCRUB)
    run(tables=tables, pipeline=NO_SCRUB)
    hide(visits, place)
    found: list[str] = []
    rounds = 0
    while not found:
        rounds += 1
        assert rounds <= CHUNKS + 1  # the chunks of one table, and that of the other
        know_replicas(visits)
        summary = run(tables=tables, pipeline=ONE_CHUNK)
        found = corrections(summary)
        if not found:
            # Nothing is said that was not proven: the chunk counts as old as it is.
            at = getattr(summary.compared, place)["visits"]
            assert at < summary.started_at
            lines = run_screen(summary).splitlines()
            (said,) = (line for line in lines if " as given: " in line and place in line)
            assert " as given: all written or compared in the last " in said
    assert found == [IN_RAW if place == "raw" else IN_REPLICA]
    assert rounds > 1


def test_a_round_survives_runs_that_are_cut_off(visits: Lab, run: Run) -> None:
    run(pipeline=NO_SCRUB)
    hide(visits, "raw")

    def cut_off(event: Event) -> None:
        if isinstance(event, TableFinished) and event.table == "visits":
            raise KeyboardInterrupt

    for _ in range(CHUNKS):
        assert read_postgres(visits.analytics, "visits") != read_mysql(visits.source, "visits")
        with pytest.raises(KeyboardInterrupt):
            run_once(
                visits.settings_with(pipeline=ONE_CHUNK), RunRequest(["visits"]), listen=cut_off
            )
        if read_postgres(visits.analytics, "visits") == read_mysql(visits.source, "visits"):
            return
    raise AssertionError("the round began anew each time")


def test_both_copies_wrong_at_once_fail_with_words_and_are_mended_by_the_next_run(
    visits: Lab, run: Run
) -> None:
    """What ``raw`` is mended with has to be what the source sent."""
    run(pipeline=NO_SCRUB)
    hide(visits, "replication")
    know_replicas(visits)
    edit_raw(visits, EDIT_RAW)
    (failed,) = run(pipeline=NO_SCRUB).failed
    assert failed.table == "visits"
    assert "the replica does not hold what the source sent" in (failed.error or "")
    assert corrections(run(pipeline=NO_SCRUB)) == [IN_RAW]  # the replica is built anew


def test_a_state_of_before_there_was_a_scrub_is_gone_on_with(visits: Lab, run: Run) -> None:
    run()
    for statement in (
        "ALTER TABLE etl.chunk DROP COLUMN compared_at",
        "DROP TABLE etl.raw_counter",
        "UPDATE etl.version SET version = 4",
    ):
        visits.analytics.execute(statement.encode())
    run_sql(visits.replication, "DROP TABLE _etl_compared, _etl_update_time")
    assert not read_status(visits.settings, []).compared.raw
    summary = run()
    assert corrections(summary) == []
    assert (summary.total("inserted"), summary.total("updated")) == (0, 0)
    assert "raw and replication as given: all written or compared in this run" in run_screen(
        summary
    )


def test_the_status_names_the_oldest_proof(visits: Lab, run: Run) -> None:
    run(pipeline=NO_SCRUB)
    visits.analytics.execute(
        b"UPDATE etl.chunk SET compared_at = compared_at - interval '3 days' "
        b"WHERE table_name = 'visits' AND ordinal = 2"
    )
    run_sql(visits.replication, "DELETE FROM _etl_compared WHERE table_name = 'words'")
    shown = status_screen(read_status(visits.settings, [])).splitlines()
    assert "oldest proof of replication: never, by what is known (words)" in shown
    assert "oldest proof of raw: 3 days ago (visits)" in shown
    assert corrections(run(pipeline={"verify": {"scrub_seconds": 60}})) == []
    shown = status_screen(read_status(visits.settings, [])).splitlines()
    assert not any("never" in line or "days" in line for line in shown if "oldest" in line)
