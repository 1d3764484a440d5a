"""Decide which of the three rows of a key is wrong (no I/O).

Source, replica and ``raw`` each have a row of the key, or none. The source may have changed since
the rows were loaded, so a difference from its row alone proves nothing against a copy. Two rows
that agree outvote the third; where all three differ, the digests of the chunk decide.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowVersions:
    """Which rows of one key agree; two rows that are both missing agree.

    Attributes:
        replica_is_source: Compared by their text.
        raw_is_replica: Compared by PostgreSQL's values; None where ``raw`` cannot be asked, since
            it does not have the chunk, or is behind replication.
        raw_is_source: Likewise.
    """

    replica_is_source: bool
    raw_is_replica: bool | None = None
    raw_is_source: bool | None = None


@dataclass(frozen=True, slots=True)
class DigestEvidence:
    """Evidence from the digests of the key's chunk.

    Attributes:
        replica: True if the replica's chunk has the text that was written; None where that is not
            known, since single rows of it were written.
        raw: True if ``raw`` holds the chunk as it was loaded.
    """

    replica: bool | None
    raw: bool


@dataclass(frozen=True, slots=True)
class WrongCopies:
    """The copies of a row that are wrong.

    Attributes:
        replication: The replica's row is not the one that was written.
        raw: The row in ``raw`` is not the one that was loaded.
        moved: The source's row has changed since the copies were made.
    """

    replication: bool = False
    raw: bool = False
    moved: bool = False


def find_wrong_copies(versions: RowVersions, evidence: DigestEvidence) -> WrongCopies:
    """Return which copies of a row are wrong, and whether the source's row has changed."""
    if versions.raw_is_replica is None:
        if versions.replica_is_source:
            return WrongCopies()
        is_wrong = evidence.replica is False
        return WrongCopies(replication=is_wrong, moved=not is_wrong)
    if versions.replica_is_source:
        return WrongCopies(raw=not versions.raw_is_replica)
    if versions.raw_is_replica:
        # PostgreSQL may read both texts as one value, such as a zero date and NULL: then raw
        # agrees with both and proves nothing.
        is_wrong = bool(versions.raw_is_source) and evidence.replica is False
        return WrongCopies(replication=is_wrong, moved=not is_wrong)
    if versions.raw_is_source:
        # If the replica is as written, it holds the latest load, which raw has not got yet.
        return WrongCopies(replication=evidence.replica is not True, moved=bool(evidence.replica))
    if evidence.replica:
        return WrongCopies(raw=True, moved=True)
    if evidence.raw:
        return WrongCopies(replication=True, moved=True)
    # Something in raw's chunk is known to be wrong; of a replica without a digest nothing is.
    is_unknown = evidence.replica is None
    return WrongCopies(replication=not is_unknown, raw=True, moved=is_unknown)
