"""Position in the log of the source: where to go on after a transaction (no I/O)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from etl_pipeline.binlog.gtid import MariadbGtids
from etl_pipeline.errors import LogError, PositionLostError

FIRST_OFFSET = 4
"""Offset of the first event in a file, behind the four bytes that say that it is a log."""
LARGEST_SENT_OFFSET = 0xFFFFFFFF
"""Largest offset that a replica can ask for: it is sent in four bytes."""
INNODB_SUFFIX = ".ibb"
"""Suffix of the files of a log that MariaDB keeps in InnoDB, which has no offsets to ask for."""

_TEXT = re.compile(r"(?P<file>[^\n]*):(?P<offset>\d+) (?P<gtid>\S*)@(?P<began>\d+)")


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on in the log: the end of a committed transaction.

    ``str()`` and :meth:`parse` are each other's inverse.

    Attributes:
        file: Name of the log file; never a path.
        offset: Bytes from its start.
        gtid: What was committed up to here. MariaDB: the last number of each domain,
            ``0-1-42,1-2-7``; MySQL: the executed set. Empty where the server has none.
        began: When the server began the file, in seconds since the epoch by its clock; 0 where
            that is not known. A file of the same name that began at another time is another log:
            somebody reset it, or restored the server.
    """

    file: str
    offset: int
    gtid: str = ""
    began: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """Number of the file, and the offset: what comes later in one log is larger."""
        return _number_of(self.file), self.offset

    @property
    def is_in_innodb(self) -> bool:
        """True if the log is one that MariaDB keeps in InnoDB: its offsets mean nothing."""
        return self.file.endswith(INNODB_SUFFIX)

    def has_reached(self, end: Position) -> bool:
        """True if all that the log holds up to *end* comes before this position."""
        if end.is_in_innodb:
            return MariadbGtids.parse(self.gtid).covers(MariadbGtids.parse(end.gtid))
        return self.place >= end.place

    def __str__(self) -> str:
        return f"{self.file}:{self.offset} {self.gtid}@{self.began}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Return the position that *text* came from.

        Raises:
            LogError: *text* is none.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise LogError("a recorded position in the source's log cannot be read")
        return cls(found["file"], int(found["offset"]), found["gtid"], int(found["began"]))


@functools.lru_cache(maxsize=16)
def _number_of(file: str) -> int:
    """Return the number in the suffix of a log file's name, by which the server counts them."""
    suffix = file.removesuffix(INNODB_SUFFIX).rpartition("-" if INNODB_SUFFIX in file else ".")[2]
    return int(suffix) if suffix.isdecimal() else 0


class Start(Enum):
    """Ways to tell a server where to begin."""

    FILE = "file and offset"
    GTID = "gtid"


def choose_start(
    position: Position, file_sizes: Mapping[str, int], *, by_gtid: bool = False
) -> Start:
    """Decide how the server is asked for what follows *position*.

    By file and offset wherever the server has the file: numbers of transactions (GTIDs) begin anew
    after a reset and after some restores, and would then name other transactions.

    Args:
        position: Where to go on.
        file_sizes: The server's log files, by name.
        by_gtid: Whether the GTID alone is to be believed: another server of one cluster.

    Raises:
        PositionLostError: The server's log does not hold what follows *position*.
    """
    if by_gtid or position.is_in_innodb:
        if not position.gtid:
            raise lost("the position has no GTID, and the log cannot be entered otherwise")
        return Start.GTID
    size = file_sizes.get(position.file)
    if size is None:
        raise lost("the server no longer has the log file where the follower stopped")
    if position.offset > size:
        raise lost("the log file where the follower stopped is shorter now: it was begun anew")
    if position.offset > LARGEST_SENT_OFFSET:
        raise lost("the follower stopped beyond 4 GB of a log file, where none can go on")
    return Start.FILE


def check_began(position: Position, file: str, began: int) -> None:
    """Raise PositionLostError if the server's log *file* is not the one *position* is in."""
    is_known = bool(position.began and began)
    if is_known and file == position.file and began != position.began:
        raise lost("the server's log was begun anew since: it was reset, or the server restored")


def lost(what: str) -> PositionLostError:
    """Return the error for a position from which the log does not go on."""
    return PositionLostError(
        what, where="source", fix="etl run compares all tables and takes a new position"
    )


def advance(offset: int, end: int) -> int:
    """Return the offset of an event's end, of which the event tells the lower four bytes, *end*.

    A transaction is never split between files, so a file can be larger than 4 GB. An event that
    ends before *offset* changes nothing: the server repeats one when it begins to send.

    Args:
        offset: Of an earlier event in the same file.
        end: Lower four bytes.
    """
    reached = (offset & ~LARGEST_SENT_OFFSET) | end
    if offset - reached > LARGEST_SENT_OFFSET // 2:
        return reached + LARGEST_SENT_OFFSET + 1
    return max(reached, offset)
