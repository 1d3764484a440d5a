"""Digests that the servers compute: nothing is read that is as it was, and nothing is missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etl_pipeline.load.job import LoadResult
from etl_pipeline.replicate import chunking, server_digest
from tests.hops import FINGERPRINT, Bench
from tests.rows import make_table, read_exactly, run_sql

BY_SERVERS = replace(FINGERPRINT, by_servers=True)
CREATE = (
    "CREATE TABLE t (k int PRIMARY KEY, a varchar(20) CHARACTER SET latin1, b text, c double, "
    "d float, e decimal(20,6), f date, g datetime(6), h timestamp NULL, i varbinary(20), "
    "j bit(9), l enum('x', 'y'), m time(3), n bigint unsigned)"
)
ROWS = [
    f"({k}, 'ä {k}', '1\\t2{k}', {k} / 3, {k} / 7, {k}.25, '0000-00-00', '2024-01-01 10:00:00.5', "
    f"'2024-03-31 02:30:00', x'00ff{k:02x}', b'1{k % 2}', 'y', '-838:59:59', 18446744073709551615)"
    for k in range(30)
]
CHANGES = [
    "UPDATE t SET b = NULL WHERE k = 3",
    "UPDATE t SET b = '' WHERE k = 3",
    "UPDATE t SET c = c + 1e-9 WHERE k IN (4, 5)",
    "UPDATE t SET d = d * 1.0000002 WHERE k = 6",
    "UPDATE t SET a = 'same' WHERE k IN (10, 11, 12, 13)",
    "UPDATE t SET a = b, b = a WHERE k = 14",
    "UPDATE t SET i = x'00ff' WHERE k = 15",
    "UPDATE t SET j = b'111' WHERE k = 16",
    "DELETE FROM t WHERE k = 17",
    "INSERT INTO t (k) VALUES (170)",
    "UPDATE t x JOIN t y ON x.k = 20 AND y.k = 21 SET x.e = y.e, y.e = x.e",
]


@pytest.fixture
def bench(lab: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 7)
    make_table(lab.source, CREATE, f"INSERT INTO t VALUES {', '.join(ROWS)}")
    made = Bench(lab)
    made.copy("t", BY_SERVERS)
    yield made
    made.close()


def test_what_is_as_it_was_is_not_read(bench: Bench) -> None:
    text = bench.read_text("t")
    replicated = bench.replicate(text, BY_SERVERS)
    assert (replicated.rows_read, len(replicated.proofs)) == (0, 5)
    assert bench.load(text, replicated, BY_SERVERS) == LoadResult()


def test_every_change_is_found_and_only_its_chunk_is_read(bench: Bench) -> None:
    for change in CHANGES:
        before = read_exactly(bench.lab.source, "t")
        run_sql(bench.lab.source, "SET sql_mode = ''", change)
        after = read_exactly(bench.lab.source, "t")
        assert after != before, change
        text = bench.read_text("t")
        replicated = bench.replicate(text, BY_SERVERS)
        assert 0 < replicated.rows_read < 30, change
        bench.load(text, replicated, BY_SERVERS)
        assert read_exactly(bench.lab.replication, "t") == after, change
        assert bench.copy("t") == LoadResult(), change


def test_servers_that_hash_rows_otherwise_are_not_believed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0
    select = server_digest.select_hashes

    def select_otherwise(*args: Any) -> str:
        nonlocal calls
        calls += 1
        return select(*args).replace("256)", f"{256 if calls % 2 else 512})")

    monkeypatch.setattr(server_digest, "select_hashes", select_otherwise)
    replicated = bench.replicate(bench.read_text("t"), BY_SERVERS)
    assert replicated.rows_read == 30
    assert "do not hash its rows alike" in caplog.text


def test_a_row_that_has_no_hash_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        server_digest, "_row_hash", lambda text: "NULLIF(SHA2(k, 256), SHA2(8, 256))"
    )
    monkeypatch.setattr("etl_pipeline.replicate.compare.servers_agree", lambda text, worker: True)
    assert bench.replicate(bench.read_text("t"), BY_SERVERS).rows_read == 7
