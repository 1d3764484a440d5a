"""A batch: each key once, many keys as a chunk, what is not known by key as a whole table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from etl_pipeline.binlog.changes import LoggedTransaction, TableChange
from etl_pipeline.binlog.key_set import ChangedKeys, KeyCollector
from etl_pipeline.binlog.keys import KeyColumn, KeyLayout
from etl_pipeline.binlog.position import Position
from etl_pipeline.replicate import batch as batching
from etl_pipeline.replicate.batch import Batch, plan_keys
from etl_pipeline.state.records import NO_RUN, ChunkProof, KnownChunk
from etl_pipeline.transfer.chunk import tile

PATIENT = KeyLayout("patient", (KeyColumn("PatNum", 0, "bigint"),), 3)
CODE = KeyLayout("code", (KeyColumn("Code", 0, "varchar", charset="utf8mb4"),), 2)
FOLLOWED = {"patient": PATIENT, "code": CODE}


def changed(layout: KeyLayout, *keys: bytes) -> TableChange:
    return TableChange(keys_of(layout, keys))


def keys_of(layout: KeyLayout, keys: Iterable[bytes]) -> ChangedKeys:
    collector = KeyCollector(layout)
    collector.add_lines(keys)
    return collector.take()


def logged(
    offset: int, at: float = 0.0, everything: str | None = None, **tables: TableChange
) -> LoggedTransaction:
    return LoggedTransaction(Position("log.000001", offset), at, tables, everything)


def known(bounds: list[int], rows: int) -> list[KnownChunk]:
    proofs = (ChunkProof(chunk, rows, b"", datetime.now(UTC)) for chunk in tile(bounds))
    return [KnownChunk(proof, None, NO_RUN) for proof in proofs]


def lines(batch: Batch, table: str) -> list[bytes]:
    return sorted(batch.tables[table].keys.take().lines())


def test_a_key_is_there_once_however_often_it_changed() -> None:
    batch = Batch()
    batch.add(logged(10, 5.0, patient=changed(PATIENT, b"1", b"2")), FOLLOWED)
    batch.add(logged(20, 6.0, patient=changed(PATIENT, b"2"), code=changed(CODE, b"a")), FOLLOWED)
    assert lines(batch, "patient") == [b"1", b"2"]
    assert lines(batch, "code") == [b"a"]
    assert batch.changes == {"patient": 3, "code": 1}
    assert (batch.transactions, batch.first_at, batch.last_at) == (2, 5.0, 6.0)


def test_transactions_of_other_tables_only_move_the_position() -> None:
    batch = Batch()
    batch.add(logged(10, 5.0, other=changed(PATIENT, b"1")), FOLLOWED)
    assert not batch
    assert batch.position == Position("log.000001", 10)
    assert (batch.transactions, batch.first_at) == (0, None)


def test_what_is_not_known_by_key_is_compared_as_a_whole() -> None:
    batch = Batch()
    batch.add(logged(10, patient=changed(PATIENT, b"1")), FOLLOWED)
    batch.add(logged(20, patient=TableChange(None, "a statement was logged")), FOLLOWED)
    batch.add(logged(30, patient=changed(PATIENT, b"2")), FOLLOWED)
    assert not batch.tables
    assert batch.whole == {"patient": "a statement was logged"}


def test_ddl_is_told_from_other_reasons() -> None:
    batch = Batch()
    batch.add(logged(10, code=TableChange(None, ddl=("ALTER TABLE",))), FOLLOWED)
    batch.add(logged(20, patient=TableChange(None, "a statement was logged")), FOLLOWED)
    assert batch.altered == {"code"}
    assert "ALTER TABLE" in batch.whole["code"]


def test_an_event_of_everything_gives_up_every_table() -> None:
    batch = Batch()
    batch.add(logged(10, everything="the server lost events"), FOLLOWED)
    assert set(batch.whole) == {"patient", "code"}


@pytest.mark.parametrize("at_once", [True, False])
def test_too_many_changes_of_a_table_are_not_held(
    monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(batching, "MOST_CHANGES", 10)
    batch = Batch()
    keys = [b"%d" % (2 * number) for number in range(11)]
    for some in [keys] if at_once else [keys[:6], keys[6:]]:
        batch.add(logged(10, patient=changed(PATIENT, *some)), FOLLOWED)
    assert not batch.tables
    assert "11" in batch.whole["patient"]


def test_the_largest_table_is_given_up_where_all_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "MOST_CHANGES_IN_ALL", 5)
    batch = Batch()
    batch.add(logged(10, patient=changed(PATIENT, b"1", b"2", b"3")), FOLLOWED)
    batch.add(logged(20, code=changed(CODE, b"a", b"b", b"c")), FOLLOWED)
    assert list(batch.whole) == ["patient"]
    assert lines(batch, "code") == [b"a", b"b", b"c"]


def test_few_keys_are_read_by_key_in_their_order() -> None:
    plan = plan_keys([b"30", b"-4", b"7"], known([10, 20], 50_000), has_integer=True)
    assert (plan.keys, plan.ranges) == ([b"-4", b"7", b"30"], [])


def test_a_chunk_of_many_changed_keys_is_read_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "RANGE_KEYS", 2)
    chunks = known([10, 20], 8)
    plan = plan_keys([b"1", b"11", b"12", b"13", b"25"], chunks, has_integer=True)
    assert plan.keys == [b"1", b"25"]
    assert plan.ranges == [chunks[1].proof.chunk]


def test_keys_of_text_have_no_chunks() -> None:
    plan = plan_keys([b"b", b"a"], known([], 10), has_integer=False)
    assert (sorted(plan.keys), plan.ranges) == ([b"a", b"b"], ())
