"""A target that took another number of rows than it was sent fails the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from etl_pipeline.errors import TransferError
from etl_pipeline.load import copy_chunks
from etl_pipeline.replicate import job
from etl_pipeline.replicate.strategy import FULL_TABLE
from tests.conftest import Lab
from tests.hops import FINGERPRINT, Bench
from tests.rows import make_table


@pytest.fixture
def bench(lab: Lab) -> Iterator[Bench]:
    make_table(
        lab.source, "CREATE TABLE t (k int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)"
    )
    made = Bench(lab)
    yield made
    made.close()


def lose_one(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Have *module*'s *name* report a row less than it was sent."""
    send = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: send(*arguments) - 1)


def test_a_row_that_replication_did_not_take_is_missed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_one(monkeypatch, job, "load_data")
    lose_one(monkeypatch, job, "insert_rows")
    with pytest.raises(TransferError, match="sent 3 rows, the replication server took 2"):
        bench.replicate(bench.read_text("t"))
    with bench.lab.replication.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE 't'")
        assert not cursor.fetchall()


@pytest.mark.parametrize("is_there", [False, True])
def test_a_row_that_raw_did_not_take_is_missed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    if is_there:
        bench.copy("t")
    text = bench.read_text("t")
    anew = replace(FINGERPRINT, strategy=FULL_TABLE)
    replicated = bench.replicate(text, anew)
    lose_one(monkeypatch, copy_chunks, "copy_text")
    with pytest.raises(TransferError, match="sent 3 rows, PostgreSQL took 2"):
        bench.load(text, replicated, anew)
    found = bench.lab.analytics.execute("SELECT to_regclass('raw.t') IS NOT NULL").fetchone()
    assert found == (is_there,)
