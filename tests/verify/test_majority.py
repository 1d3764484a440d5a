"""Which of the three rows of a key is wrong."""

from __future__ import annotations

import pytest

from etl_pipeline.verify.majority import DigestEvidence, RowVerdict, RowVersions, judge

NOTHING, RAW, MOVED = RowVerdict(), RowVerdict(raw=True), RowVerdict(moved=True)
REPLICATION = RowVerdict(replication=True)


@pytest.mark.parametrize("replica", [True, False, None])
@pytest.mark.parametrize("raw", [True, False])
def test_two_that_agree_outvote_the_third(replica: bool | None, raw: bool) -> None:
    vouched = DigestEvidence(replica, raw)
    assert judge(RowVersions(True, True, True), vouched) == NOTHING
    assert judge(RowVersions(True, False, False), vouched) == RAW
    assert judge(RowVersions(False, True, False), vouched) == MOVED
    expected = MOVED if replica else REPLICATION
    assert judge(RowVersions(False, False, True), vouched) == expected


@pytest.mark.parametrize(
    ("replica", "raw", "expected"),
    [
        (True, False, RowVerdict(raw=True, moved=True)),
        (False, True, RowVerdict(replication=True, moved=True)),
        (None, True, RowVerdict(replication=True, moved=True)),
        (None, False, RowVerdict(raw=True, moved=True)),
        (False, False, RowVerdict(replication=True, raw=True)),
    ],
)
def test_where_all_differ_the_digests_decide(
    replica: bool | None, raw: bool, expected: RowVerdict
) -> None:
    assert judge(RowVersions(False, False, False), DigestEvidence(replica, raw)) == expected


def test_a_row_is_not_accused_without_a_witness() -> None:
    assert judge(RowVersions(False), DigestEvidence(None, raw=True)) == MOVED
    assert judge(RowVersions(False), DigestEvidence(True, raw=True)) == MOVED
    assert judge(RowVersions(False), DigestEvidence(False, raw=True)) == REPLICATION
