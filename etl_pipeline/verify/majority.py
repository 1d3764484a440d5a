"""Which of the three rows of a key is wrong: pure.

Source, replica and ``raw`` each have a row of the key, or none. The source may have moved on since
the rows were loaded, so its row alone says nothing against the copies. Two that agree outvote the
third; where none do, what a digest vouches for is believed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowVersions:
    """How the rows of one key compare; where neither has one, they are the same.

    Attributes:
        replica_is_source: By their text.
        raw_is_replica: By PostgreSQL's values; None where ``raw`` is no witness, since it is not
            there, or is behind replication.
        raw_is_source: Likewise.
    """

    replica_is_source: bool
    raw_is_replica: bool | None = None
    raw_is_source: bool | None = None


@dataclass(frozen=True, slots=True)
class DigestEvidence:
    """What the digests of the key's chunk say.

    Attributes:
        replica: Whether the replica's chunk has the text that it was given; None where that is not
            known, since single rows of it were written.
        raw: Whether ``raw`` has the chunk that it was given.
    """

    replica: bool | None
    raw: bool


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What is wrong with the rows of a key.

    Attributes:
        replication: The replica's row is not the one that it was given.
        raw: The row in ``raw`` is not.
        moved: The source's row has changed since the copies were loaded.
    """

    replication: bool = False
    raw: bool = False
    moved: bool = False


def judge(row_versions: RowVersions, vouched: DigestEvidence) -> RowVerdict:
    """Which of the three rows is wrong, or whether the source has moved on."""
    if row_versions.raw_is_replica is None:
        if row_versions.replica_is_source:
            return RowVerdict()
        is_wrong = vouched.replica is False
        return RowVerdict(replication=is_wrong, moved=not is_wrong)
    if row_versions.replica_is_source:
        return RowVerdict(raw=not row_versions.raw_is_replica)
    if row_versions.raw_is_replica:
        # PostgreSQL may take both texts for one value, as a zero date and NULL: no witness then.
        is_wrong = bool(row_versions.raw_is_source) and vouched.replica is False
        return RowVerdict(replication=is_wrong, moved=not is_wrong)
    if row_versions.raw_is_source:
        # Vouched for, the replica is what was given last: then raw has not got that yet.
        return RowVerdict(replication=vouched.replica is not True, moved=bool(vouched.replica))
    if vouched.replica:
        return RowVerdict(raw=True, moved=True)
    if vouched.raw:
        return RowVerdict(replication=True, moved=True)
    # Of raw it is known that something in the chunk is wrong; of such a replica nothing is.
    is_unknown = vouched.replica is None
    return RowVerdict(replication=not is_unknown, raw=True, moved=is_unknown)
