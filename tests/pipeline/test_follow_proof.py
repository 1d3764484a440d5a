"""Which chunks the batches of a follower compare, and when all are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from etl_pipeline.binlog.position import Position
from etl_pipeline.pipeline.follow import describe_needs, describe_proof, next_time
from etl_pipeline.pipeline.follow_proof import MOST_CHUNKS, PROOF_SECONDS, ProofPass
from etl_pipeline.pipeline.follow_start import Start, find_start
from etl_pipeline.state.follower import LogPlace

NOW = datetime(2024, 6, 28, 12, 0, tzinfo=UTC)
HERE = "database north on the server with server_uid 1"


def prove(seconds: float, **chunks: int) -> list[dict[str, frozenset[int]]]:
    proof = ProofPass.of(NOW, chunks)
    batches = []
    while not proof.is_done:
        batches.append(proof.next_chunks())
        proof.note_compared(seconds)
    assert proof.chunks == sum(chunks.values())
    return batches


def test_every_chunk_is_compared_once() -> None:
    compared = [
        (name, ordinal)
        for batch in prove(0.01, patient=200, payment=1)
        for name, ordinals in batch.items()
        for ordinal in ordinals
    ]
    assert sorted(compared) == [*(("patient", n) for n in range(200)), ("payment", 0)]


def test_quick_batches_compare_more_and_slow_ones_a_chunk() -> None:
    assert max(sum(map(len, batch.values())) for batch in prove(0.0, patient=500)) == MOST_CHUNKS
    assert all(len(batch["patient"]) == 1 for batch in prove(2 * PROOF_SECONDS, patient=5))


def test_a_table_that_is_run_is_left_out() -> None:
    proof = ProofPass.of(NOW, {"patient": 3, "payment": 1})
    proof.leave_out(["patient"])
    assert proof.next_chunks() == {"payment": frozenset({0})}
    assert proof.tables == {"payment"}


def test_a_proof_says_what_was_wrong() -> None:
    proof = ProofPass.of(NOW, {"patient": 1})
    proof.note_compared(0.1)
    assert describe_proof(proof) == "1 table proven by value, in 1 chunk; nothing was missed"
    proof.note_correction("patient", ["replication had missed changes"])
    assert "rows of patient were wrong" in describe_proof(proof)


@pytest.mark.parametrize(
    ("hour", "expected"),
    [("12:30", NOW + timedelta(minutes=30)), ("12:00", NOW + timedelta(days=1)), (None, None)],
)
def test_a_daily_hour_is_the_next_one(hour: str | None, expected: datetime | None) -> None:
    assert next_time(hour, NOW) == expected


def place(offset: int, server: str = HERE) -> LogPlace:
    return LogPlace(server, str(Position("log.000001", offset)))


def test_the_older_position_is_gone_on_from() -> None:
    older = Position("log.000001", 10)
    assert find_start(HERE, place(10), place(20), None) == Start(older)
    assert find_start(HERE, place(20), place(10), None) == Start(older)


@pytest.mark.parametrize(
    ("warehouse", "replication", "lost", "because"),
    [
        (None, place(10), None, "nothing was followed yet"),
        (place(10), None, None, "replication does not record"),
        (place(10, "another"), place(10), None, "another server"),
        (place(10), LogPlace(HERE, "log.1"), None, "cannot be read"),
        (place(10), place(10), "the log is gone", "the log is gone"),
    ],
)
def test_what_cannot_be_gone_on_from_is_begun_anew(
    warehouse: LogPlace | None, replication: LogPlace | None, lost: str | None, because: str
) -> None:
    start = find_start(HERE, warehouse, replication, lost)
    assert start.position is None
    assert because in (start.because or "")


def test_tables_that_are_compared_are_named_by_reason() -> None:
    because = {f"t{n}": "nothing was followed yet" for n in range(100)}
    assert describe_needs({**because, "visit": "it has no key", "claim": "it has no key"}) == [
        "claim, visit: compared as a whole, since it has no key",
        "100 tables: compared as a whole, since nothing was followed yet",
    ]
