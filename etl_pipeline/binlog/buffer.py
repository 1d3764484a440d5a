"""Reading of the numbers and texts that events are made of (no I/O)."""

from __future__ import annotations

import struct

from etl_pipeline.errors import LogError

_LENGTH_BYTES = {252: 2, 253: 3, 254: 8}
_LARGEST_SHORT = 250
_ALL_ONES = 0xFF

DAMAGE = (IndexError, KeyError, OverflowError, TypeError, ValueError, struct.error)
"""Errors with which Python answers to bytes that are no event; made a LogError in one place."""


def damaged(what: str) -> LogError:
    """Return the error for an event that is no whole event."""
    return LogError(
        f"the source's log is damaged, or holds what no known server writes: {what}",
        where="source",
        fix="check the log at the source with mysqlbinlog (mariadb-binlog); with TLS (ssl_mode) "
        "damage on the line is noticed",
    )


class Buffer:
    """A place in the bytes of an event, from which parts are taken one after the other."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    def take(self, size: int) -> bytes:
        """Take *size* bytes.

        Raises:
            LogError: There are not so many.
        """
        start, self.position = self.position, self.position + size
        if size < 0 or self.position > self.end:
            raise damaged("an event is cut off")
        return self.data[start : self.position]

    def number(self, size: int) -> int:
        """Take an unsigned number of *size* bytes."""
        return int.from_bytes(self.take(size), "little")

    def length(self) -> int:
        """Take a number that is preceded by its size where it is large (a packed integer)."""
        first = self.number(1)
        if first <= _LARGEST_SHORT:
            return first
        size = _LENGTH_BYTES.get(first)
        if size is None:
            raise damaged("a length is none")
        return self.number(size)

    def varlen(self) -> int:
        """Take an unsigned number of MySQL's serialization library.

        The ones at the low end of the first byte tell how many bytes follow it.
        """
        first = self.number(1)
        if first == _ALL_ONES:
            return self.number(8)
        following = (~first & (first + 1)).bit_length() - 1
        rest = self.number(following)
        return (rest << 8 | first) >> (following + 1)

    def signed_varlen(self) -> int:
        """Take a signed number of that library: its lowest bit is the sign."""
        value = self.varlen()
        return -(value >> 1) - 1 if value & 1 else value >> 1

    def rest(self) -> bytes:
        """Take all that is left."""
        return self.take(self.end - self.position)

    @property
    def left(self) -> int:
        """Number of bytes that are left."""
        return self.end - self.position
