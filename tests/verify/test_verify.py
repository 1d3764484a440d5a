"""``etl verify`` finds what was changed behind the pipeline's back, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.replicate import chunking
from etl_pipeline.state import warehouse
from tests.conftest import Lab
from tests.rows import make_table, numbers, run_sql
from tests.runs import fill

Run = Callable[..., RunSummary]
Verify = Callable[..., VerifySummary]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 2)


def found(summary: VerifySummary) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(v.table, d.place, d.keys) for v in summary.different for d in v.discrepancies]


def hidden(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The *keys* as they are named to somebody who did not ask for values."""
    return tuple(key.replace("d1110", "…") for key in keys)


@pytest.mark.parametrize("deep", [False, True])
def test_nothing_is_found_after_a_run(lab: Lab, run: Run, verify: Verify, deep: bool) -> None:
    fill(lab)
    run()
    summary = verify(deep=deep)
    assert summary.is_success
    assert sum(v.rows for v in summary.results) == 14


RAW_CHANGES = [
    ('UPDATE raw.patient SET "Balance" = 0.2 WHERE "PatNum" = 1', ("patient", ("1",))),
    ('UPDATE raw.patient SET "Note" = \'\' WHERE "PatNum" = 0', ("patient", ("0",))),
    ('UPDATE raw.patient SET "Balance" = -(0::float8) WHERE "PatNum" = 0', ("patient", ("0",))),
    ('DELETE FROM raw.patient WHERE "PatNum" = -7', ("patient", ("-7",))),
    (
        'INSERT INTO raw.patient ("PatNum", "LName") VALUES (77, \'made up\')',
        ("patient", ("77",)),
    ),
    (
        'UPDATE raw.codes SET "Price" = "Price" + 0.0001 WHERE "Version" = 2',
        ("codes", ("d1110, 2",)),
    ),
    ("DELETE FROM raw.copy_of_patient WHERE \"Word\" = 'b'", ("copy_of_patient", ())),
    (
        "DELETE FROM raw.copy_of_patient WHERE ctid = (SELECT min(ctid) FROM raw.copy_of_patient)",
        ("copy_of_patient", ()),
    ),
]


@pytest.mark.parametrize(("change", "expected"), RAW_CHANGES, ids=[c for c, _ in RAW_CHANGES])
def test_a_change_by_hand_in_raw_is_found(
    lab: Lab, run: Run, verify: Verify, change: str, expected: tuple[str, tuple[str, ...]]
) -> None:
    fill(lab)
    run()
    lab.analytics.execute(change)
    table, keys = expected
    assert found(verify()) == [(table, "raw", hidden(keys))]
    assert found(verify(deep=True)) == [(table, "raw", hidden(keys))]
    assert found(verify(only="replication")) == []
    assert found(verify(only="raw")) == [(table, "raw", hidden(keys))]
    assert found(verify(show_values=True)) == [(table, "raw", keys)]
    run([table], full=True)
    assert verify(deep=True).is_success


REPLICA_CHANGES = [
    ("UPDATE patient SET Balance = 0.2 WHERE PatNum = 1", "patient", ("1",)),
    ("UPDATE patient SET Note = '' WHERE PatNum = 0", "patient", ("0",)),
    ("DELETE FROM patient WHERE PatNum = 2", "patient", ("2",)),
    ("UPDATE codes SET Price = Price + 0.0001 WHERE Version = 2", "codes", ("d1110, 2",)),
    ("INSERT INTO copy_of_patient VALUES (1, 'a')", "copy_of_patient", ()),
]


@pytest.mark.parametrize(
    ("change", "table", "keys"), REPLICA_CHANGES, ids=[c[0] for c in REPLICA_CHANGES]
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_change_by_hand_in_replication_is_found(
    lab: Lab,
    run: Run,
    verify: Verify,
    change: str,
    table: str,
    keys: tuple[str, ...],
    deep: bool,
) -> None:
    fill(lab)
    run()
    run_sql(lab.replication, change)
    shown = verify(deep=deep, show_values=True)
    assert found(shown) == [(table, "replication", keys)]
    assert found(verify(deep=deep)) == [(table, "replication", hidden(keys))]
    assert found(verify(deep=deep, only="replication")) == [(table, "replication", hidden(keys))]
    assert found(verify(deep=deep, only="raw")) == []


def test_a_source_that_moved_on_is_told_from_a_copy_that_was_changed(
    lab: Lab, run: Run, verify: Verify
) -> None:
    fill(lab)
    run()
    run_sql(lab.source, "UPDATE patient SET LName = 'x' WHERE PatNum IN (1, 3)")
    for deep in (False, True):
        summary = verify(deep=deep)
        assert summary.is_success
        assert {v.table: v.moved for v in summary.results if v.moved} == {"patient": 2}


def test_a_table_that_was_never_loaded_is_said(lab: Lab, run: Run, verify: Verify) -> None:
    fill(lab)
    run(["codes"])
    different = verify().different
    assert [v.table for v in different] == ["copy_of_patient", "patient"]
    assert "never loaded" in different[0].discrepancies[0].what


def test_verify_changes_nothing(lab: Lab, run: Run, verify: Verify) -> None:
    fill(lab)
    run()
    snapshot = "SELECT * FROM etl.chunk ORDER BY table_name, ordinal"
    before = lab.analytics.execute(snapshot).fetchall()
    verify(deep=True)
    assert lab.analytics.execute(snapshot).fetchall() == before
    assert verify(deep=True).is_success


def test_deep_holds_no_more_locks_for_more_chunks(
    lab: Lab, run: Run, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 1)
    make_table(
        lab.source,
        "CREATE TABLE words (id int PRIMARY KEY, word varchar(20))",
        f"INSERT INTO words SELECT seq, seq FROM {numbers(1200)}",
    )
    run()
    assert verify(deep=True).is_success


def test_a_run_that_commits_meanwhile_is_not_taken_for_a_change_by_hand(
    lab: Lab, run: Run, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lab)
    run()
    read_chunks = warehouse.read_chunks

    def read_and_let_a_run_pass(connection: Any, table: str) -> Any:
        recorded = read_chunks(connection, table)
        monkeypatch.setattr(warehouse, "read_chunks", read_chunks)
        run_sql(lab.source, "UPDATE patient SET LName = 'new' WHERE PatNum = 1")
        assert run().is_success
        return recorded

    monkeypatch.setattr(warehouse, "read_chunks", read_and_let_a_run_pass)
    (result,) = verify(["patient"]).results
    assert result.discrepancies == []
    assert result.notes == ["a run wrote 1 chunk meanwhile, which could not be judged"]
