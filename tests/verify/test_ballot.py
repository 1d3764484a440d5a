"""Which of the three rows of a key is wrong."""

from __future__ import annotations

import pytest

from etl_pipeline.verify.ballot import Ballot, Judgement, Vouchers, judge

NOTHING, RAW, MOVED = Judgement(), Judgement(raw=True), Judgement(moved=True)
REPLICATION = Judgement(replication=True)


@pytest.mark.parametrize("replica", [True, False, None])
@pytest.mark.parametrize("raw", [True, False])
def test_two_that_agree_outvote_the_third(replica: bool | None, raw: bool) -> None:
    vouched = Vouchers(replica, raw)
    assert judge(Ballot(True, True, True), vouched) == NOTHING
    assert judge(Ballot(True, False, False), vouched) == RAW
    assert judge(Ballot(False, True, False), vouched) == MOVED
    expected = MOVED if replica else REPLICATION
    assert judge(Ballot(False, False, True), vouched) == expected


@pytest.mark.parametrize(
    ("replica", "raw", "expected"),
    [
        (True, False, Judgement(raw=True, moved=True)),
        (False, True, Judgement(replication=True, moved=True)),
        (None, True, Judgement(replication=True, moved=True)),
        (None, False, Judgement(raw=True, moved=True)),
        (False, False, Judgement(replication=True, raw=True)),
    ],
)
def test_where_all_differ_the_digests_decide(
    replica: bool | None, raw: bool, expected: Judgement
) -> None:
    assert judge(Ballot(False, False, False), Vouchers(replica, raw)) == expected


def test_a_row_is_not_accused_without_a_witness() -> None:
    assert judge(Ballot(False), Vouchers(None, raw=True)) == MOVED
    assert judge(Ballot(False), Vouchers(True, raw=True)) == MOVED
    assert judge(Ballot(False), Vouchers(False, raw=True)) == REPLICATION
