"""Of the three rows of a key, the wrong copies are found."""

from __future__ import annotations

import pytest

from etl_pipeline.verify.majority import DigestEvidence, RowVersions, WrongCopies, find_wrong_copies

NOTHING, RAW, MOVED = WrongCopies(), WrongCopies(raw=True), WrongCopies(moved=True)
REPLICATION = WrongCopies(replication=True)


@pytest.mark.parametrize("replica", [True, False, None])
@pytest.mark.parametrize("raw", [True, False])
def test_two_that_agree_outvote_the_third(replica: bool | None, raw: bool) -> None:
    evidence = DigestEvidence(replica, raw)
    assert find_wrong_copies(RowVersions(True, True, True), evidence) == NOTHING
    assert find_wrong_copies(RowVersions(True, False, False), evidence) == RAW
    assert find_wrong_copies(RowVersions(False, True, False), evidence) == MOVED
    expected = MOVED if replica else REPLICATION
    assert find_wrong_copies(RowVersions(False, False, True), evidence) == expected


@pytest.mark.parametrize(
    ("replica", "raw", "expected"),
    [
        (True, False, WrongCopies(raw=True, moved=True)),
        (False, True, WrongCopies(replication=True, moved=True)),
        (None, True, WrongCopies(replication=True, moved=True)),
        (None, False, WrongCopies(raw=True, moved=True)),
        (False, False, WrongCopies(replication=True, raw=True)),
    ],
)
def test_where_all_differ_the_digests_decide(
    replica: bool | None, raw: bool, expected: WrongCopies
) -> None:
    assert (
        find_wrong_copies(RowVersions(False, False, False), DigestEvidence(replica, raw))
        == expected
    )


def test_without_raw_only_a_changed_digest_proves_a_row_wrong() -> None:
    assert find_wrong_copies(RowVersions(False), DigestEvidence(None, raw=True)) == MOVED
    assert find_wrong_copies(RowVersions(False), DigestEvidence(True, raw=True)) == MOVED
    assert find_wrong_copies(RowVersions(False), DigestEvidence(False, raw=True)) == REPLICATION
