"""A table whose schema changed since it was loaded, or that is gone, cannot be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline.backfill import backfill_once
from etl_pipeline.pipeline.request import BackfillRange, RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.status import read_history, read_run
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from tests.conftest import Lab
from tests.pipeline.drift_rows import CREATE, FILL, ROWS
from tests.rows import make_table, run_sql

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]

BEARABLE = {
    "column_loosened",
    "column_tightened",
    "text_lengthened",
    "text_without_limit",
    "index_added",
    "index_dropped",
    "index_changed",
    "comments_changed",
}
WRITABLE = {name for name in BEARABLE if name.startswith(("index", "comments"))}


def errors(summary: VerifySummary | RunSummary) -> dict[str, tuple[str | None, str | None]]:
    found: Any = summary.results if isinstance(summary, VerifySummary) else summary.outcomes
    return {table.table: (table.error, table.fix) for table in found if table.error}


def backfill(lab: Lab, *names: str, **settings: Any) -> RunSummary:
    asked = BackfillRange("0", "100")
    return backfill_once(
        lab.settings_with(**settings), RunRequest(names, backfill=asked), listen=lambda event: None
    )


def test_every_change_is_named_with_the_command_that_follows_it(
    lab: Lab, run: Run, verify: Verify
) -> None:
    for table in (*ROWS, "gone", "good"):
        make_table(lab.source, CREATE.format(t=table), FILL.format(t=table))
    assert run().is_success
    for table, row in ROWS.items():
        run_sql(lab.source, *(change.format(t=table) for change in row.changes))
        for statement in row.by_others:
            lab.analytics.execute(statement.format(t=table).encode())
    run_sql(lab.source, "DROP TABLE gone", "UPDATE good SET age = 1 WHERE id = 1")
    tables: Any = {"tables": {t: r.config for t, r in ROWS.items()} | {"gone": {}, "good": {}}}
    summary = verify(tables=tables)
    found = errors(summary)
    assert not summary.is_success
    assert set(found) == {"gone", *ROWS} - BEARABLE
    assert found.pop("gone") == (
        "the source has the table no more",
        "etl run gone --accept-drift",
    )
    for table, (what, fix) in found.items():
        is_ours = not ROWS[table].by_others
        words = "its schema changed since it was loaded: " if is_ours else "the table exists with"
        assert (what or "").startswith(words), what
        assert fix == f"etl run {table}" + ("" if is_ours else " --adopt")
    assert "colour column added: int" in (found["column_added"][0] or "")
    assert "full_name column renamed: was name" in (found["column_renamed"][0] or "")
    others = {v.table: v.moved for v in summary.results if not v.error}
    assert others == dict.fromkeys(BEARABLE, 0) | {
        "good": 1,
        "column_loosened": 1,
        "column_tightened": 1,
        "text_lengthened": 1,
    }
    assert set(errors(verify(tables=tables, repair=True))) == {"gone", *ROWS} - WRITABLE
    named = {"gone", "good", *ROWS} - {"key_dropped"}  # of a table without a key there is no range
    done = backfill(lab, *named, tables=tables)
    assert set(errors(done)) == named - WRITABLE - {"good"}
    (good,) = (outcome for outcome in done.outcomes if outcome.table == "good")
    assert (good.error, good.updated) == (None, 1)
    recorded = lab.analytics.execute(
        "SELECT r.outcome, count(error) FROM etl.run r JOIN etl.table_run USING (run_id) "
        "WHERE r.run_id = %s GROUP BY 1",
        (done.run_id,),
    )
    assert recorded.fetchone() == ("failed", len(errors(done)))
    followed = [name for name, row in ROWS.items() if not row.asks]
    assert run(followed, tables=tables).is_success
    assert verify(followed, tables=tables, deep=True).is_success


@pytest.mark.parametrize("is_named", [True, False])
def test_a_table_that_is_known_to_be_gone_fails_where_it_is_asked_for(
    lab: Lab, run: Run, verify: Verify, is_named: bool
) -> None:
    for table in ("gone", "good"):
        make_table(lab.source, CREATE.format(t=table), FILL.format(t=table))
    tables: Any = {"tables": {"gone": {}, "good": {}}} if is_named else None
    assert run(tables=tables).is_success
    run_sql(lab.source, "DROP TABLE gone")
    settings = lab.settings_with(tables=tables)
    gone = run_once(settings, RunRequest(["gone"], accept_drift=True), listen=lambda event: None)
    assert gone.is_success
    assert run(tables=tables).is_success
    everything = verify(tables=tables)
    assert (everything.is_success, len(everything.results)) == (True, 1)
    fix = "take gone out of tables.yml" if is_named else "etl status    names the tables that"
    for found in (verify(["gone"], tables=tables), backfill(lab, "gone", tables=tables)):
        assert not found.is_success
        ((what, said),) = errors(found).values()
        assert (what or "").startswith("the source has it no more")
        assert (said or "").startswith(fix)


def test_a_frozen_table_is_accepted_first(lab: Lab, run: Run, verify: Verify) -> None:
    make_table(lab.source, CREATE.format(t="words"), FILL.format(t="words"))
    tables: Any = {"tables": {"words": {"drift": "freeze"}}}
    assert run(tables=tables).is_success
    added = ", ".join(f"ADD c{n} date" for n in range(7))
    run_sql(lab.source, f"ALTER TABLE words {added}")
    ((what, fix),) = errors(verify(tables=tables)).values()
    assert (what or "").endswith("c4 column added: date; and 2 more")
    assert fix == "etl run words --accept-drift"


def test_replication_may_have_followed_alone(lab: Lab, run: Run, verify: Verify) -> None:
    make_table(lab.source, CREATE.format(t="words"), FILL.format(t="words"))
    assert run().is_success
    run_sql(lab.source, "ALTER TABLE words ADD late date")
    half = run_once(lab.settings, RunRequest(only="replicate"), listen=lambda event: None)
    assert half.is_success
    times = lab.analytics.execute(
        "SELECT replicated_at IS NOT NULL, done_at FROM etl.drift_event"
    ).fetchall()
    assert times == [(True, None)]
    ((what, fix),) = errors(verify()).values()
    assert what == "its schema changed since it was loaded: late column added: date"
    assert fix == "etl run words"
    assert run().is_success
    assert verify(deep=True).is_success
    _, _, (recorded,) = read_run(lab.settings, half.run_id)
    assert (recorded.event.is_replicated, recorded.done_at) == (True, None)
    assert [run.drift_events for run in read_history(lab.settings, 9)] == [1, 1, 0]


def test_a_history_of_an_older_version_asks_for_a_run(lab: Lab, run: Run) -> None:
    make_table(lab.source, CREATE.format(t="words"), FILL.format(t="words"))
    run()
    lab.analytics.execute("ALTER TABLE etl.drift_event DROP COLUMN replicated_at")
    lab.analytics.execute("UPDATE etl.version SET version = version - 1")
    with pytest.raises(EtlError, match="older version"):
        read_history(lab.settings, 9)
    assert run().is_success
    assert len(read_history(lab.settings, 9)) == 2
