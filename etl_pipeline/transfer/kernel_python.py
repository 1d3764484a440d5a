r"""The kernel in Python: a block of MySQL's row packets becomes a block of lines.

A line holds a row: fields apart by tabs, ``\N`` for NULL, backslash escapes for tab, newline,
carriage return, backslash and NUL. This *lossless* form is what LOAD DATA reads and what digests
are made of. COPY reads the same form but for two things that PostgreSQL has no value for, which
are altered and counted (zero dates and NUL characters), and for binary values: their hexadecimal
digits want a prefix there. A negative zero that the replica cannot hold is altered in both.

Packets: three bytes of length, one of sequence, then the payload; a payload of 2**24 - 1 bytes
goes on in the next packet. What a payload holds is in ``row_values``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer.layout import Layout
from etl_pipeline.transfer.row_values import NULL, row_reader

_FULL_PACKET = 0xFFFFFF
_SRID_BYTES = 4
_SPECIAL = re.compile(rb"[\t\n\r\\\0]")
_ESCAPES = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r", b"\\": b"\\\\", b"\0": b"\\0"}
_ZERO_DATE = re.compile(rb"0000-|....-00-|....-..-00", re.DOTALL)

ZERO_DATES = "zero dates"
NUL_CHARACTERS = "NUL characters"
NEGATIVE_ZEROS = "negative zeros"


@dataclass(slots=True)
class Rendered:
    """The lines of a block of packets.

    Attributes:
        text: Lossless lines.
        copy_text: Lines for COPY; the very object *text* where they are the same, and where they
            were not asked for.
        rows: Lines in either.
        consumed: Bytes of the block that were used; the rest is the start of a row.
        is_end: Whether the server's end of the result was met.
        altered: Values that a target cannot hold, by column position and kind.
        tuples: The rows as binary COPY takes them, without its header and trailer; None where they
            were not asked for, and where a value has no form that the compiled kernel knows.
        hashes: With *tuples*, the sum of PostgreSQL's hashes of the rows, as
            ``raw_sql.digest_raw`` asks for them.
    """

    text: bytes = b""
    copy_text: bytes = b""
    rows: int = 0
    consumed: int = 0
    is_end: bool = False
    altered: Counter[tuple[int, str]] = field(default_factory=Counter)
    tuples: bytes | None = None
    hashes: int = 0


class ServerErrorPacket(Exception):  # noqa: N818 - a message of the protocol, not a fault of ours
    """The server ended the result with an error; *payload* is its packet, *number* its code."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.number = int.from_bytes(payload[1:3], "little")
        super().__init__(f"server error {self.number}")


def render(block: bytes | bytearray, layout: Layout, *, with_copy: bool) -> Rendered:
    """Return the lines of the complete rows at the start of *block*.

    Args:
        block: What the server sent, from the start of a packet, cut anywhere.
        layout: The columns.
        with_copy: Whether the lines for COPY are wanted too.

    Raises:
        ServerErrorPacket: The server sent an error in place of a row.
        TransferError: The bytes are no row of these columns.
    """
    row = _RowRenderer(layout)
    result = Rendered()
    lines: list[bytes] = []
    copy_lines: list[bytes] | None = None
    position = 0
    while (found := _read_payload(block, position)) is not None:
        payload, following = found
        first = payload[0] if payload else 0
        if first == 0xFF:
            raise ServerErrorPacket(payload)
        position = following
        if first == 0xFE and len(payload) < 9:
            result.is_end = True
            break
        line, copy_line = row.render(payload, result.altered)
        if with_copy and copy_line is not line and copy_lines is None:
            copy_lines = lines.copy()
        if copy_lines is not None:
            copy_lines.append(copy_line)
        lines.append(line)
    if lines:
        lines.append(b"")
        result.text = b"\n".join(lines)
    result.copy_text = result.text
    if copy_lines is not None:
        copy_lines.append(b"")
        result.copy_text = b"\n".join(copy_lines)
    result.rows = max(len(lines) - 1, 0)
    result.consumed = position
    return result


class _RowRenderer:
    """Renders the rows of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._modes = modes = layout.modes
        self._reader = row_reader(layout.forms)
        self._tabs = len(modes) - 1
        self._has_dates = Mode.DATE in modes
        self._reals = [i for i, mode in enumerate(modes) if mode is Mode.REAL]
        binary = (Mode.BINARY, Mode.GEOMETRY)
        self._binaries = [i for i, mode in enumerate(modes) if mode in binary]

    def render(self, payload: bytes, altered: Counter[tuple[int, str]]) -> tuple[bytes, bytes]:
        """Return the lines of a row for LOAD DATA and for COPY: one object where they are equal."""
        fields, nulls = self._reader.split(payload)
        for i in self._reals:
            if fields[i] == b"-0":
                fields[i] = b"0"
                altered[i, NEGATIVE_ZEROS] += 1
        for i in self._binaries:
            if fields[i] is not NULL:
                fields[i] = fields[i].hex().encode()
        line = b"\t".join(fields)
        # Escapes are rare: five searches of the whole line are cheaper than one of each field.
        if (
            line.count(b"\\") != nulls
            or line.count(b"\t") != self._tabs
            or b"\n" in line
            or b"\r" in line
            or b"\0" in line
        ):
            fields = [
                _escape(value) if mode is Mode.TEXT and value is not NULL else value
                for value, mode in zip(fields, self._modes, strict=True)
            ]
            line = b"\t".join(fields)
        has_zero_date = self._has_dates and (b"-00" in line or b"0000-" in line)
        if self._binaries or has_zero_date or b"\\0" in line:
            return line, _alter(fields, self._modes, altered, line)
        return line, line


def _read_payload(block: bytes | bytearray, position: int) -> tuple[bytes, int] | None:
    """Return the payload of the packet at *position*, and where it ends; None if it is cut off."""
    if len(block) - position < 4:
        return None
    length = block[position] | block[position + 1] << 8 | block[position + 2] << 16
    start, end = position + 4, position + 4 + length
    if end > len(block):
        return None
    if length == _FULL_PACKET:
        return _join_packets(block, position)
    return bytes(block[start:end]), end


def _join_packets(block: bytes | bytearray, position: int) -> tuple[bytes, int] | None:
    """Return a payload of several packets and where it ends; None while part of it is missing."""
    parts = []
    while True:
        if len(block) - position < 4:
            return None
        length = int.from_bytes(block[position : position + 3], "little")
        start = position + 4
        position = start + length
        if position > len(block):
            return None
        parts.append(block[start:position])
        if length < _FULL_PACKET:
            return b"".join(parts), position


def missing_bytes(rest: bytes) -> int:
    """Return how many bytes the packet lacks in which *rest* ends; 0 if unknown."""
    position = 0
    while len(rest) - position >= 4:
        position += 4 + int.from_bytes(rest[position : position + 3], "little")
    return max(position - len(rest), 0)


def _escape(value: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], value)


def _alter(
    fields: Sequence[bytes],
    modes: Sequence[Mode],
    altered: Counter[tuple[int, str]],
    line: bytes,
) -> bytes:
    """Return the line for COPY; *line* itself if nothing is altered."""
    changed = False
    kept = list(fields)
    for i, (value, mode) in enumerate(zip(fields, modes, strict=True)):
        if mode is Mode.DATE and _ZERO_DATE.match(value):
            kept[i] = NULL
            altered[i, ZERO_DATES] += 1
            changed = True
        elif mode is Mode.TEXT and b"\\0" in value:
            kept[i], removed = _remove_nul(value)
            if removed:
                altered[i, NUL_CHARACTERS] += removed
                changed = True
        elif mode in (Mode.BINARY, Mode.GEOMETRY) and value is not NULL:
            skipped = 2 * _SRID_BYTES if mode is Mode.GEOMETRY else 0
            kept[i] = b"\\\\x" + value[skipped:]
            changed = True
    return b"\t".join(kept) if changed else line


_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def _remove_nul(value: bytes) -> tuple[bytes, int]:
    """*value* without its escaped NULs, and how many there were."""
    removed = 0

    def keep(found: re.Match[bytes]) -> bytes:
        nonlocal removed
        # The pattern takes a backslash with what follows, so an escaped backslash before a zero
        # is not mistaken for a NUL.
        if found[1] == b"0":
            removed += 1
            return b""
        return found[0]

    return _ESCAPED.sub(keep, value), removed
