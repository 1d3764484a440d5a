"""Values of a key's columns in the log, as fields of row text (no I/O).

A field is what the same value is where rows are read at the source, byte for byte: so keys of the
log and keys of rows can be compared.
"""

from __future__ import annotations

import datetime
import re
import struct
from collections.abc import Callable
from typing import Final

from etl_pipeline.binlog.keys import KeyColumn
from etl_pipeline.binlog.table_map import ColumnType, MapColumn, decimal_size
from etl_pipeline.schema.catalog import INTEGER_TYPES
from etl_pipeline.transfer.row_values import write_double

Decoder = Callable[[bytes, int], bytes]
"""Return the field of the value that begins at a place in an event.

Raises UnreadableValueError where the field would not be beyond doubt.
"""


class UnreadableValueError(ValueError):
    """A value of a key cannot be made the text that the source prints; the message says why."""


def make_decoder(column: KeyColumn, stored: MapColumn, *, is_unsigned: bool) -> Decoder | None:
    """Return the decoder of a key's *column*; None where it is not stored as the catalog says.

    Args:
        column: As the catalog has it.
        stored: As the table map has it.
        is_unsigned: As the table map has it, or the catalog.
    """
    kind = ColumnType(stored.type)
    expected = _EXPECTED.get(column.data_type)
    if expected is None or kind not in expected:
        return None
    if kind in _TIMES and stored.parameter != column.fraction:
        return None
    if column.data_type in INTEGER_TYPES:
        return _integer(stored.size, column.width, is_signed=not is_unsigned)
    maker = _MAKERS.get(kind)
    return None if maker is None else maker(column, stored)


_TIMES = frozenset({ColumnType.TIME2, ColumnType.DATETIME2, ColumnType.TIMESTAMP2})
_TEXT = frozenset({ColumnType.VARCHAR, ColumnType.VAR_STRING, ColumnType.STRING})
_BLOB = frozenset({ColumnType.BLOB})
_EXPECTED: Final = {
    "tinyint": {ColumnType.TINY},
    "smallint": {ColumnType.SHORT},
    "mediumint": {ColumnType.INT24},
    "int": {ColumnType.LONG},
    "bigint": {ColumnType.LONGLONG},
    "decimal": {ColumnType.NEWDECIMAL},
    "float": {ColumnType.FLOAT},
    "double": {ColumnType.DOUBLE},
    "bit": {ColumnType.BIT},
    "date": {ColumnType.DATE, ColumnType.NEWDATE},
    "time": {ColumnType.TIME2},
    "datetime": {ColumnType.DATETIME2},
    "timestamp": {ColumnType.TIMESTAMP2},
    "year": {ColumnType.YEAR},
    "enum": {ColumnType.ENUM},
    "set": {ColumnType.SET},
    "char": _TEXT,
    "varchar": _TEXT,
    "binary": _TEXT,
    "varbinary": _TEXT,
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), _BLOB),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), _BLOB),
}
"""The types of columns in a table map, by the type in the catalog.

Times and dates as MySQL before 5.6 stored them are left out: of those with a fraction a table map
does not tell the size.
"""

INTEGER_SIZES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
"""Codes of ``struct`` for signed integers; in upper case for unsigned ones."""


def _integer(size: int, width: int, *, is_signed: bool) -> Decoder:
    read = integer_reader(size, is_signed=is_signed)
    if width:
        return lambda data, at: b"%0*d" % (width, read(data, at))
    return lambda data, at: b"%d" % read(data, at)


def integer_reader(size: int, *, is_signed: bool) -> Callable[[bytes, int], int]:
    """Return what reads an integer of *size* bytes at a place; struct.error beyond the end."""
    code = INTEGER_SIZES.get(size)
    if code is not None:
        unpack = struct.Struct("<" + (code if is_signed else code.upper())).unpack_from

        def read(data: bytes, at: int) -> int:
            value: int = unpack(data, at)[0]
            return value

        return read

    from_bytes = int.from_bytes

    def read_three(data: bytes, at: int) -> int:
        if at + size > len(data):
            raise IndexError
        return from_bytes(data[at : at + size], "little", signed=is_signed)

    return read_three


def _take(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise IndexError
    return data[at : at + size]


def _float(_column: KeyColumn, stored: MapColumn) -> Decoder:
    number = struct.Struct("<f" if stored.size == 4 else "<d")
    return lambda data, at: write_double(*number.unpack_from(data, at))


def _bits(column: KeyColumn, stored: MapColumn) -> Decoder:
    size, width = stored.size, column.width
    return lambda data, at: f"{int.from_bytes(_take(data, at, size), 'big'):0{width}b}".encode()


def _year(_column: KeyColumn, _stored: MapColumn) -> Decoder:
    def read(data: bytes, at: int) -> bytes:
        return b"%04d" % (data[at] + 1900 if data[at] else 0)

    return read


def _date(_column: KeyColumn, _stored: MapColumn) -> Decoder:
    def read(data: bytes, at: int) -> bytes:
        packed = int.from_bytes(_take(data, at, 3), "little")
        return b"%04d-%02d-%02d" % (packed >> 9, packed >> 5 & 15, packed & 31)

    return read


def _fraction(column: KeyColumn, microseconds: int) -> bytes:
    digits = column.fraction
    return b".%0*d" % (digits, microseconds // 10 ** (6 - digits)) if digits else b""


def _read_microseconds(data: bytes, at: int, decimals: int) -> int:
    size = (decimals + 1) // 2
    return int.from_bytes(_take(data, at, size), "big") * 100 ** (3 - size) if size else 0


def _datetime(column: KeyColumn, stored: MapColumn) -> Decoder:
    decimals = stored.parameter

    def read(data: bytes, at: int) -> bytes:
        packed = int.from_bytes(_take(data, at, 5), "big") - (1 << 39)
        if packed < 0:
            raise UnreadableValueError("a date is before the year 0")
        year, month = divmod(packed >> 22, 13)
        moment = b"%04d-%02d-%02d %02d:%02d:%02d" % (
            year,
            month,
            packed >> 17 & 31,
            packed >> 12 & 31,
            packed >> 6 & 63,
            packed & 63,
        )
        return moment + _fraction(column, _read_microseconds(data, at + 5, decimals))

    return read


_EPOCH = datetime.datetime(1970, 1, 1)


def _timestamp(column: KeyColumn, stored: MapColumn) -> Decoder:
    decimals = stored.parameter

    def read(data: bytes, at: int) -> bytes:
        seconds = int.from_bytes(_take(data, at, 4), "big")
        microseconds = _read_microseconds(data, at + 4, decimals)
        if not seconds and not microseconds:
            moment = b"0000-00-00 00:00:00"
        else:
            text = (_EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
            moment = text.encode()
        return moment + _fraction(column, microseconds)

    return read


def _time(column: KeyColumn, stored: MapColumn) -> Decoder:
    decimals = stored.parameter
    size = 3 + (decimals + 1) // 2
    unit = 100 ** (6 - size)  # microseconds of the last byte's lowest bit
    zero = 1 << (8 * size - 1)

    def read(data: bytes, at: int) -> bytes:
        # One number with the fraction in its lowest bytes; negative times count down from zero.
        packed = int.from_bytes(_take(data, at, size), "big") - zero
        sign = b"-" if packed < 0 else b""
        packed = abs(packed)
        clock = packed >> 8 * (size - 3)
        microseconds = (packed & (1 << 8 * (size - 3)) - 1) * unit
        text = b"%02d:%02d:%02d" % (clock >> 12 & 1023, clock >> 6 & 63, clock & 63)
        return sign + text + _fraction(column, microseconds)

    return read


def _member(column: KeyColumn, stored: MapColumn) -> Decoder:
    size, members = stored.size, column.members

    def read(data: bytes, at: int) -> bytes:
        number = int.from_bytes(_take(data, at, size), "little")
        if number > len(members):
            raise UnreadableValueError("an ENUM has a member that the catalog does not have")
        return _escape(members[number - 1].encode()) if number else b""

    return read


def _members(column: KeyColumn, stored: MapColumn) -> Decoder:
    size, members = stored.size, column.members

    def read(data: bytes, at: int) -> bytes:
        bits = int.from_bytes(_take(data, at, size), "little")
        if bits >> len(members):
            raise UnreadableValueError("a SET has a member that the catalog does not have")
        chosen = [member for i, member in enumerate(members) if bits >> i & 1]
        return _escape(",".join(chosen).encode())

    return read


_DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


def _decimal(column: KeyColumn, stored: MapColumn) -> Decoder:
    precision, scale = stored.parameter >> 8, stored.parameter & 0xFF
    size, before, width = decimal_size(precision, scale), precision - scale, column.width
    groups = [before % 9, *[9] * (before // 9)], [*[9] * (scale // 9), scale % 9]

    def read(data: bytes, at: int) -> bytes:
        raw = bytearray(_take(data, at, size))
        is_negative = not raw[0] & 0x80
        raw[0] ^= 0x80
        if is_negative:
            raw = bytearray(byte ^ 0xFF for byte in raw)
        place, parts = 0, []
        for sizes in groups:
            digits = ""
            for count in sizes:
                following = place + _DIGIT_BYTES[count]
                if count:
                    value = int.from_bytes(raw[place:following], "big")
                    digits += f"{value:0{count}d}"
                place = following
            parts.append(digits)
        whole = parts[0].lstrip("0") or "0"
        text = f"{whole}.{parts[1]}" if scale else whole
        is_zero = not any(raw)
        return (("-" if is_negative and not is_zero else "") + text.rjust(width, "0")).encode()

    return read


_SPECIAL = re.compile(rb"[\t\n\r\\\0]")
_ESCAPES = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r", b"\\": b"\\\\", b"\0": b"\\0"}


def _escape(value: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], value)


_UTF8: Final = frozenset({"utf8", "utf8mb3", "utf8mb4", "ascii"})
_CODECS: Final = {
    "ucs2": "utf-16-be",
    "utf16": "utf-16-be",
    "utf16le": "utf-16-le",
    "utf32": "utf-32-be",
}
_NOT_ASCII_AT_ALL: Final = frozenset({"swe7"})
"""Character sets whose first 128 characters are not those of ASCII, besides those above."""
_LATIN1 = "".join(
    bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte)
    for byte in range(256)
)
"""MySQL's latin1: Windows' 1252, with the five bytes that have no character there."""


def _to_utf8(value: bytes, charset: str) -> bytes:
    """Return text of *charset* in UTF-8.

    Of a character set whose conversion by Python and by the servers may differ, ASCII alone is
    taken.
    """
    if charset in _UTF8:
        return value
    if charset in _CODECS:
        return value.decode(_CODECS[charset]).encode()
    if charset == "latin1":
        return value if value.isascii() else "".join(_LATIN1[byte] for byte in value).encode()
    if value.isascii() and charset not in _NOT_ASCII_AT_ALL:
        return value
    raise UnreadableValueError(f"a key has characters beyond ASCII in {charset}")


def _string(column: KeyColumn, stored: MapColumn) -> Decoder:
    """Return the decoder of text or bytes, with their length before them."""
    length_bytes, charset = stored.length_bytes, column.charset
    is_char = column.data_type == "char"
    pad = column.width if column.data_type == "binary" else 0

    def read(data: bytes, at: int) -> bytes:
        start = at + length_bytes
        size = int.from_bytes(_take(data, at, length_bytes), "little")
        value = _take(data, start, size)
        if charset is None or charset == "binary":
            # The log leaves out the zeros at the end of a BINARY.
            return value.ljust(pad, b"\0").hex().encode()
        text = _to_utf8(value, charset)
        return _escape(text.rstrip(b" ") if is_char else text)

    return read


_MAKERS: Final[dict[ColumnType, Callable[[KeyColumn, MapColumn], Decoder]]] = {
    ColumnType.NEWDECIMAL: _decimal,
    ColumnType.FLOAT: _float,
    ColumnType.DOUBLE: _float,
    ColumnType.BIT: _bits,
    ColumnType.DATE: _date,
    ColumnType.NEWDATE: _date,
    ColumnType.TIME2: _time,
    ColumnType.DATETIME2: _datetime,
    ColumnType.TIMESTAMP2: _timestamp,
    ColumnType.YEAR: _year,
    ColumnType.ENUM: _member,
    ColumnType.SET: _members,
    ColumnType.VARCHAR: _string,
    ColumnType.VAR_STRING: _string,
    ColumnType.STRING: _string,
    ColumnType.BLOB: _string,
}
