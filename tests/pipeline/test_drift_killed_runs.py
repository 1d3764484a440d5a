"""A run that is killed while it follows the source's schema shows in its record what it meant.

``test_drift_kills.py`` kills both hops of a table; here whole runs end, with what they write down
of tables that come and go.
"""

from __future__ import annotations

import contextlib

import pytest

from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline import table_worker
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from tests.conftest import Lab
from tests.killing import KilledError, killing, wait_for_the_lock
from tests.pipeline.drift_rows import CREATE, FILL
from tests.pipeline.test_drift import assert_equal
from tests.rows import make_table, run_sql

EVERY = 7
"""Of the changes that last, every so many is the one after which the run is killed."""


def release(lab: Lab, number: int, before: int) -> set[tuple[str, str, str]]:
    """A column and a table come, another of each goes; what a run is to see of it."""
    run_sql(
        lab.source,
        f"ALTER TABLE words ADD c{number} int, DROP c{before}",
        f"UPDATE words SET c{number} = id",
        f"DROP TABLE late{before}",
    )
    late = f"late{number}"
    make_table(lab.source, CREATE.format(t=late), FILL.format(t=late))
    return {
        ("words", "column_added", f"c{number}"),
        ("words", "column_dropped", f"c{before}"),
        (f"late{number}", "table_added", ""),
        (f"late{before}", "table_dropped", ""),
    }


@pytest.mark.timeout(900)
def test_what_a_killed_run_met_is_in_the_record_and_done_by_the_next(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(table_worker, "FIRST_WAIT_SECONDS", 0.01)
    settings = lab.settings_with(
        pipeline={"general": {"parallel_tables": 1}, "source": {"connections": 1}}
    )
    for table in ("words", "late0"):
        make_table(lab.source, CREATE.format(t=table), FILL.format(t=table))
    run_sql(lab.source, "ALTER TABLE words ADD c0 int")
    last = run_once(settings, RunRequest(), listen=lambda event: None).run_id
    moment, before, is_over = 1, 0, False
    while not is_over:
        expected = release(lab, moment, before)
        with killing(moment) as killer, contextlib.suppress(KilledError, EtlError):
            run_once(settings, RunRequest(), listen=lambda event: None)
        is_over = not killer.is_dead
        wait_for_the_lock(lab)
        summary = run_once(settings, RunRequest(), listen=lambda event: None)
        assert summary.is_success, (moment, summary.failed)
        recorded = lab.analytics.execute(
            "SELECT table_name, kind, subject, bool_or(done_at IS NOT NULL), "
            "bool_or(replication_ddl <> '{}'), bool_or(raw_ddl <> '{}') "
            "FROM etl.drift_event WHERE run_id > %s GROUP BY 1, 2, 3",
            (last,),
        ).fetchall()
        assert {(table, kind, subject) for table, kind, subject, *_ in recorded} == expected
        for table, kind, subject, is_done, in_replica, in_raw in recorded:
            assert is_done, (moment, table, kind, subject)
            assert in_replica == (table == "words"), (moment, kind)
            assert in_raw == (kind == "column_added"), (moment, kind)
        assert_equal(lab, "words")
        assert_equal(lab, f"late{moment}")
        last, before = summary.run_id, moment
        moment += 1 if request.config.getoption("--long") else EVERY
    assert moment > 20
    assert run_once(settings, RunRequest(), listen=lambda event: None).drift == []
