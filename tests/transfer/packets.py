"""Builds the packets that a MySQL server sends for rows, and reads row text back."""

from __future__ import annotations

from collections.abc import Sequence

END = b"\x05\x00\x00\x00\xfe\x00\x00\x02\x00"
FULL = 0xFFFFFF

Row = Sequence[bytes | None]


def packet(payload: bytes, sequence: int = 0, *, full: int = FULL) -> bytes:
    parts = []
    while True:
        head, payload = payload[:full], payload[full:]
        parts.append(len(head).to_bytes(3, "little") + bytes([sequence % 256]) + head)
        sequence += 1
        if len(head) < full:
            return b"".join(parts)


def field(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + value
    if size < 1 << 24:
        return b"\xfd" + size.to_bytes(3, "little") + value
    return b"\xfe" + size.to_bytes(8, "little") + value


def row_packet(row: Row, sequence: int = 0) -> bytes:
    return packet(b"".join(field(value) for value in row), sequence)


def result(rows: Sequence[Row]) -> bytes:
    return b"".join(row_packet(row, i) for i, row in enumerate(rows)) + END


UNESCAPED = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"\\": b"\\", b"0": b"\0"}


def read_line(line: bytes) -> list[bytes | None]:
    """The fields of a line, read one character at a time: another way than the kernel's."""
    fields: list[bytes | None] = []
    for raw in line.split(b"\t"):
        if raw == b"\\N":
            fields.append(None)
            continue
        value = b""
        i = 0
        while i < len(raw):
            if raw[i : i + 1] == b"\\":
                value += UNESCAPED[raw[i + 1 : i + 2]]
                i += 2
            else:
                value += raw[i : i + 1]
                i += 1
        fields.append(value)
    return fields


def read_text(text: bytes) -> list[list[bytes | None]]:
    if not text:
        return []
    assert text.endswith(b"\n")
    return [read_line(line) for line in text[:-1].split(b"\n")]
