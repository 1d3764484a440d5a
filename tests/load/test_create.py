"""A first load builds indexes and keys after the rows, which is faster, and digests as it goes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from etl_pipeline.load import copy_chunks, digests
from etl_pipeline.load.digests import read_digests
from etl_pipeline.load.inspect_table import read_actual_table
from etl_pipeline.load.sql import PINNED_SETTINGS
from etl_pipeline.replicate import chunking, full_table
from etl_pipeline.replicate.strategy import FULL_TABLE
from etl_pipeline.schema.names import name_raw
from etl_pipeline.state import warehouse
from etl_pipeline.transfer.binary import Encoder
from etl_pipeline.transfer.kernel_python import Rendered
from tests.conftest import Lab
from tests.hops import FINGERPRINT, Bench
from tests.rows import make_table, read_mysql, read_postgres


@pytest.mark.parametrize("is_there", [False, True])
def test_indexes_and_the_key_of_raw_are_built_over_the_rows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """At every chunk of either hop, also where a replica is built again."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 2)
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, w varchar(9), u int, KEY (w), UNIQUE KEY (u))",
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4), (5, 'e', 5)",
    )
    bench = Bench(lab)
    if is_there:
        bench.copy("t")
    seen: list[Any] = []

    def write_rows(job: Any, replication: Any, table: str, spool: Any) -> None:
        seen.append(read_indexes(replication, table))
        real_write_rows(job, replication, table, spool)

    def copy_text(connection: Any, *arguments: Any) -> int:
        seen.append(read_key(connection))
        return int(real_copy_text(connection, *arguments))

    hops: Any = (full_table, copy_chunks)
    real_write_rows, real_copy_text = hops[0].write_rows, hops[1].copy_text
    monkeypatch.setattr(full_table, "write_rows", write_rows)
    monkeypatch.setattr(copy_chunks, "copy_text", copy_text)
    text = bench.read_text("t")
    replicated = bench.replicate(text, replace(FINGERPRINT, strategy=FULL_TABLE))
    assert seen == [{"PRIMARY"}] * 3
    assert read_indexes(lab.replication, "t") == {"PRIMARY", "w", "u"}
    if not is_there:
        seen.clear()
        bench.load(text, replicated)
        assert seen
        assert seen == [()] * len(seen)
        assert read_key(lab.analytics) == ("k",)
    bench.close()
    assert read_mysql(lab.replication, "t") == read_mysql(lab.source, "t")
    assert read_postgres(lab.analytics, "t") == read_mysql(lab.source, "t")


VALUES = "(k int PRIMARY KEY, w varchar(9), n decimal(9,2), f double, d datetime)"


@pytest.mark.parametrize("hashes_alike", [True, False])
def test_the_digests_of_a_first_load_are_those_of_postgresql(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hashes_alike: bool
) -> None:
    """Computed while the rows are encoded, or by a server whose hashes are others."""
    monkeypatch.setattr(chunking, "CHUNK_ROWS", 20)
    caplog.set_level(logging.INFO, logger="etl_pipeline.load.copy_chunks")
    rows = ", ".join(f"({k}, 'w{k}', {k}.5, {k}e-3, '2026-01-01')" for k in range(1, 70))
    make_table(lab.source, f"CREATE TABLE t {VALUES}", f"INSERT INTO t VALUES {rows}")
    if not hashes_alike:
        real_take = Encoder.take

        def take(encoder: Encoder, block: Rendered) -> tuple[bytes, int]:
            tuples, hashes = real_take(encoder, block)
            return tuples, hashes + 1

        monkeypatch.setattr(Encoder, "take", take)
        monkeypatch.setattr(digests, "_KNOWN_HASH", 0)
    bench = Bench(lab)
    bench.copy("t")
    text = bench.read_text("t")
    bench.close()
    recorded = warehouse.read_chunks(lab.analytics, "t")
    assert len(recorded) == 4
    with lab.analytics.transaction():
        lab.analytics.execute(PINNED_SETTINGS.encode())
        held = read_digests(lab.analytics, "raw.t", text, [proof.chunk for proof, _ in recorded])
    assert [digest for _, digest in recorded] == held
    hashes_otherwise = "this server hashes rows in a way of its own" in caplog.text
    assert hashes_otherwise is not hashes_alike


def read_indexes(connection: Any, table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW INDEX FROM {table}")
        return {row[2] for row in cursor.fetchall()}


def read_key(analytics: Any) -> tuple[str, ...]:
    actual = read_actual_table(analytics, name_raw("raw", "t"))
    assert actual is not None
    return actual.key
