"""Global transaction identifiers: what was committed, as MariaDB and as MySQL count it (no I/O).

MariaDB numbers the transactions of a domain, so the last number of each domain says all. MySQL
numbers those of each server, with holes, so it is a set of intervals.
"""

from __future__ import annotations

import bisect
import re
import struct
import uuid
from collections.abc import Iterable
from typing import Self

from etl_pipeline.errors import LogError

_MARIADB = re.compile(r"(\d{1,10})-(\d{1,10})-(\d{1,20})")
_INTERVAL = re.compile(r"(\d{1,20})(?:-(\d{1,20}))?")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")

Source = tuple[str, str]
"""The server's UUID, and the tag of the transaction; empty for none."""


class MariadbGtids:
    """The last transaction of each domain; ``str()`` and :meth:`parse` are inverse."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int]] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``0-1-42,1-2-7``, in any order, also with white space.

        Raises:
            LogError: *text* is no such list.
        """
        found = cls()
        for part in filter(None, "".join(text.split()).split(",")):
            match = _MARIADB.fullmatch(part)
            if match is None:
                raise LogError("a GTID of the source's log cannot be read")
            found.add(*map(int, match.groups()))
        return found

    def add(self, domain: int, server: int, sequence: int) -> None:
        """Note that a transaction was committed after all others of its domain."""
        self._last[domain] = server, sequence

    def covers(self, other: Self) -> bool:
        """True if all transactions of *other* are among these."""
        return all(
            domain in self._last and self._last[domain][1] >= sequence
            for domain, (_, sequence) in other._last.items()
        )

    def __str__(self) -> str:
        last = sorted(self._last.items())
        return ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in last)


class MysqlGtids:
    """A set of transactions; ``str()`` and :meth:`parse` are inverse."""

    def __init__(self) -> None:
        self._starts: dict[Source, list[int]] = {}
        self._ends: dict[Source, list[int]] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``uuid:1-5:7,uuid:tag:1``, also with white space as servers print it.

        Raises:
            LogError: *text* is no such set.
        """
        found = cls()
        for part in filter(None, "".join(text.split()).split(",")):
            name, *rest = part.lower().split(":")
            source = _read_uuid(name), ""
            for item in rest:
                interval = _INTERVAL.fullmatch(item)
                if interval is None:
                    if not _TAG.fullmatch(item):
                        raise LogError("a GTID of the source's log cannot be read")
                    source = source[0], item
                    continue
                first = int(interval[1])
                found.add_interval(source, first, int(interval[2] or first))
        return found

    def add(self, server: bytes, number: int, tag: str = "") -> None:
        """Note that a transaction was committed.

        Args:
            server: The UUID of the server where it was, 16 bytes.
            number: Its number there, from 1.
            tag: Empty for none.
        """
        source = str(uuid.UUID(bytes=server)), tag
        ends = self._ends.get(source)
        if ends and ends[-1] == number - 1:
            ends[-1] = number
        else:
            self.add_interval(source, number, number)

    def add_interval(self, source: Source, first: int, last: int) -> None:
        """Add the transactions *first* to *last*, both included.

        Raises:
            LogError: There is no such interval.
        """
        if not 1 <= first <= last:
            raise LogError("a GTID of the source's log cannot be read")
        starts = self._starts.setdefault(source, [])
        ends = self._ends.setdefault(source, [])
        left = bisect.bisect_left(ends, first - 1)
        right = bisect.bisect_right(starts, last + 1)
        if left < right:
            first, last = min(first, starts[left]), max(last, ends[right - 1])
        starts[left:right], ends[left:right] = [first], [last]

    def covers(self, other: MysqlGtids) -> bool:
        """True if every transaction of *other* is one of this set."""
        for source, intervals in other.intervals():
            starts = self._starts.get(source, [])
            for first, last in intervals:
                place = bisect.bisect_right(starts, first) - 1
                if place < 0 or self._ends[source][place] < last:
                    return False
        return True

    def intervals(self) -> Iterable[tuple[Source, list[tuple[int, int]]]]:
        """Return each server and tag with its intervals, both ends included, all in order."""
        for source in sorted(self._starts):
            yield source, list(zip(self._starts[source], self._ends[source], strict=True))

    def __str__(self) -> str:
        parts = []
        for (server, tag), intervals in self.intervals():
            spans = (f"{a}" if a == b else f"{a}-{b}" for a, b in intervals)
            parts.append(":".join([server, *([tag] if tag else []), *spans]))
        return ",".join(parts)

    def encode(self) -> bytes:
        """Return the set as COM_BINLOG_DUMP_GTID takes it.

        Tags are sent in the form that MySQL 8.3 introduced, and only where there are any.
        """
        sources = list(self.intervals())
        has_tags = any(tag for (_, tag), _ in sources)
        count = len(sources)
        head = (1 << 56 | count << 8 | 1) if has_tags else count
        parts = [struct.pack("<Q", head)]
        for (server, tag), intervals in sources:
            parts.append(uuid.UUID(server).bytes)
            if has_tags:
                parts.append(bytes([len(tag) << 1]) + tag.encode())
            parts.append(struct.pack("<Q", len(intervals)))
            parts.extend(struct.pack("<QQ", first, last + 1) for first, last in intervals)
        return b"".join(parts)


def _read_uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise LogError("a GTID of the source's log cannot be read") from None
