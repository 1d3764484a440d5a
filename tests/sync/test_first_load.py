"""What a first load leaves for later because it is quicker over rows that are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etl_pipeline.sync import build, chunks, load
from etl_pipeline.sync.raw_table import read_standing_table
from tests.conftest import Lab
from tests.rows import make_table, read_mysql, read_postgres
from tests.sync.bench import FINGERPRINT, Bench


@pytest.mark.parametrize("is_there", [False, True])
def test_indexes_and_the_key_of_raw_are_built_over_the_rows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """At every chunk of either hop; a replica that is built anew is no other."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
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

    hops: Any = (build, load)
    real_write_rows, real_copy_text = hops[0].write_rows, hops[1].copy_text
    monkeypatch.setattr(build, "write_rows", write_rows)
    monkeypatch.setattr(load, "copy_text", copy_text)
    text = bench.read_text("t")
    replicated = bench.replicate(text, replace(FINGERPRINT, strategy="full_table"))
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


def read_indexes(connection: Any, table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW INDEX FROM {table}")
        return {row[2] for row in cursor.fetchall()}


def read_key(analytics: Any) -> tuple[str, ...]:
    standing = read_standing_table(analytics, "raw", "t")
    assert standing is not None
    return standing.key
