"""Builds the packets that a MySQL server sends for rows, and reads row text back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from etl_pipeline.transfer.layout import Form, Wire

END = b"\x05\x00\x00\x00\xfe\x00\x00\x02\x00"
FULL = 0xFFFFFF

Row = Sequence[bytes | None]
"""A row of columns that are all sent as bytes."""


def packet(payload: bytes, sequence: int = 0, *, full: int = FULL) -> bytes:
    parts = []
    while True:
        head, payload = payload[:full], payload[full:]
        parts.append(len(head).to_bytes(3, "little") + bytes([sequence % 256]) + head)
        sequence += 1
        if len(head) < full:
            return b"".join(parts)


def field(value: bytes) -> bytes:
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + value
    if size < 1 << 24:
        return b"\xfd" + size.to_bytes(3, "little") + value
    return b"\xfe" + size.to_bytes(8, "little") + value


NUMBERS = dict(zip(list(Wire)[Wire.INT1 : Wire.DATE], "bBhHiIqQfd", strict=True))


def value(form: Form, given: Any) -> bytes:
    """A value as a server sends it: bytes, a number, or the parts of a date or a time."""
    if form.wire is Wire.BYTES:
        return field(given)
    if form.wire in NUMBERS:
        return struct.pack("<" + NUMBERS[form.wire], given)
    parts = struct.pack("<BIBBBI" if form.wire is Wire.TIME else "<HBBBBBI", *given)
    sizes = {Wire.DATE: (0, 4), Wire.DATETIME: (0, 4, 7, 11), Wire.TIME: (0, 8, 12)}[form.wire]
    size = next(size for size in sizes if not any(parts[size:]))
    return bytes([size]) + parts[:size]


def row_payload(row: Sequence[Any], forms: Sequence[Form] | None = None) -> bytes:
    """What a row's packet holds; None is NULL, and without *forms* all columns are bytes."""
    forms = forms or [Form()] * len(row)
    nulls = sum(1 << i + 2 for i, one in enumerate(row) if one is None)
    values = [value(form, one) for form, one in zip(forms, row, strict=True) if one is not None]
    return b"\0" + nulls.to_bytes((len(row) + 9) // 8, "little") + b"".join(values)


def row_packet(row: Sequence[Any], sequence: int = 0, forms: Sequence[Form] | None = None) -> bytes:
    return packet(row_payload(row, forms), sequence)


def result(rows: Sequence[Sequence[Any]], forms: Sequence[Form] | None = None) -> bytes:
    return b"".join(row_packet(row, i, forms) for i, row in enumerate(rows)) + END


def read_tuples(tuples: bytes) -> list[list[bytes | None]]:
    """The fields of each tuple of binary COPY."""
    rows: list[list[bytes | None]] = []
    at = 0
    while at < len(tuples):
        (count,) = struct.unpack_from(">H", tuples, at)
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", tuples, at)
            at += 4
            row.append(None if size < 0 else tuples[at : at + size])
            at += max(size, 0)
        rows.append(row)
    assert at == len(tuples)
    return rows


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
