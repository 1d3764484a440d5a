"""Table maps: they say of which table the rows after them are, and how those lie (no I/O)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from etl_pipeline.binlog.buffer import Buffer, damaged
from etl_pipeline.binlog.events import HEADER_BYTES

MOST_COLUMNS = 4096


class ColumnType(IntEnum):
    """Types of columns in a table map."""

    DECIMAL = 0
    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    NULL = 6
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    TIMESTAMP2 = 17
    DATETIME2 = 18
    TIME2 = 19
    TYPED_ARRAY = 20
    BLOB_COMPRESSED = 140
    VARCHAR_COMPRESSED = 141
    VECTOR = 242
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    TINY_BLOB = 249
    MEDIUM_BLOB = 250
    LONG_BLOB = 251
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


class MapColumn(NamedTuple):
    """A column of a table map.

    Attributes:
        type: As the server stores it; the type in a STRING's parameters where there is one.
        parameter: Depends on the type: bytes at most, decimals, precision and scale.
        size: Bytes of a value; 0 where each value tells its own.
        length_bytes: Bytes that tell the size of a value, before it; 0 where *size* is fixed.
    """

    type: int
    parameter: int
    size: int
    length_bytes: int


class TableMap(NamedTuple):
    """A table of the log.

    Attributes:
        columns: None where one of them is of a type that is not known.
        unsigned: Numbers of the columns that are unsigned; None where not told.
        names: Of the columns; None where not told.
        primary_key: Numbers of the key's columns; None where not told.
    """

    table_id: int
    schema: str
    table: str
    columns: tuple[MapColumn, ...] | None
    unsigned: frozenset[int] | None
    names: tuple[str, ...] | None
    primary_key: tuple[int, ...] | None


def read_table_id(event: bytes, id_bytes: int) -> int:
    """Return the number by which rows name the table."""
    return int.from_bytes(event[HEADER_BYTES : HEADER_BYTES + id_bytes], "little")


def read_table_map(event: bytes, id_bytes: int) -> TableMap:
    """Return what a table map event says.

    Args:
        event: As it came.
        id_bytes: Bytes of the table's number: 6, or 4 in old logs.

    Raises:
        LogError: It is no table map.
    """
    body = Buffer(event, HEADER_BYTES)
    table_id = body.number(id_bytes)
    body.take(2)
    schema = _read_name(body)
    table = _read_name(body)
    count = body.length()
    if count > MOST_COLUMNS:
        raise damaged("a table has too many columns")
    types = body.take(count)
    parameters = Buffer(body.take(body.length()))
    try:
        columns = tuple(_read_column(code, parameters) for code in types)
    except _UnknownTypeError:
        return TableMap(table_id, schema, table, None, None, None, None)
    if parameters.left:
        raise damaged("a table map does not fit its columns")
    body.take((count + 7) // 8)
    unsigned, names, primary_key = _read_optional(body, columns)
    return TableMap(table_id, schema, table, columns, unsigned, names, primary_key)


def _read_name(body: Buffer) -> str:
    name = body.take(body.number(1)).decode("utf-8", "replace")
    body.take(1)
    return name


_FIXED_SIZES = {
    ColumnType.TINY: 1,
    ColumnType.SHORT: 2,
    ColumnType.INT24: 3,
    ColumnType.LONG: 4,
    ColumnType.LONGLONG: 8,
    ColumnType.YEAR: 1,
    ColumnType.DATE: 3,
    ColumnType.NEWDATE: 3,
    ColumnType.TIME: 3,
    ColumnType.DATETIME: 8,
    ColumnType.TIMESTAMP: 4,
    ColumnType.NULL: 0,
}
_TIME_SIZES = {ColumnType.TIMESTAMP2: 4, ColumnType.DATETIME2: 5, ColumnType.TIME2: 3}
_BLOBS = frozenset(
    {
        ColumnType.BLOB,
        ColumnType.TINY_BLOB,
        ColumnType.MEDIUM_BLOB,
        ColumnType.LONG_BLOB,
        ColumnType.BLOB_COMPRESSED,
        ColumnType.GEOMETRY,
        ColumnType.JSON,
        ColumnType.VECTOR,
    }
)
_VARCHARS = frozenset({ColumnType.VARCHAR, ColumnType.VAR_STRING, ColumnType.VARCHAR_COMPRESSED})
_DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""Bytes of so many decimal digits."""
_TYPE_BITS = 0x30
"""Bits of a STRING's first parameter that are set in every type, and else belong to its length."""


class _UnknownTypeError(Exception):
    """A column is of a type that is not known, so nobody can tell how long its values are."""


def _read_column(code: int, parameters: Buffer) -> MapColumn:
    if code in _FIXED_SIZES:
        return MapColumn(code, 0, _FIXED_SIZES[ColumnType(code)], 0)
    if code in (ColumnType.FLOAT, ColumnType.DOUBLE):
        size = parameters.number(1)
        if size not in (4, 8):
            raise damaged("a floating-point number has another size")
        return MapColumn(code, size, size, 0)
    if code in _TIME_SIZES:
        decimals = parameters.number(1)
        size = _TIME_SIZES[ColumnType(code)] + (decimals + 1) // 2
        return MapColumn(code, decimals, size, 0)
    if code == ColumnType.NEWDECIMAL:
        precision, scale = parameters.number(1), parameters.number(1)
        return MapColumn(code, precision << 8 | scale, decimal_size(precision, scale), 0)
    if code in _VARCHARS:
        most = parameters.number(2)
        return MapColumn(code, most, 0, 1 if most < 256 else 2)
    if code in _BLOBS:
        length_bytes = parameters.number(1)
        if not 1 <= length_bytes <= 4:
            raise damaged("a length has no such size")
        return MapColumn(code, length_bytes, 0, length_bytes)
    if code == ColumnType.BIT:
        bits, whole = parameters.number(1), parameters.number(1)
        return MapColumn(code, whole * 8 + bits, whole + (bits > 0), 0)
    if code in (ColumnType.STRING, ColumnType.ENUM, ColumnType.SET):
        return _read_string(parameters.number(1), parameters.number(1))
    raise _UnknownTypeError


def _read_string(first: int, second: int) -> MapColumn:
    """Return the column of a STRING's two parameters: its real type, and its length."""
    if first in (ColumnType.ENUM, ColumnType.SET):
        if second > 8:
            raise damaged("an ENUM or SET has no such size")
        return MapColumn(first, second, second, 0)
    most = second
    if first & _TYPE_BITS != _TYPE_BITS:
        most |= ((first & _TYPE_BITS) ^ _TYPE_BITS) << 4
    if first | _TYPE_BITS != ColumnType.STRING:
        raise _UnknownTypeError
    return MapColumn(ColumnType.STRING, most, 0, 1 if most < 256 else 2)


def decimal_size(precision: int, scale: int) -> int:
    """Return the bytes of a DECIMAL: four for nine digits, before and after the point."""
    if scale > precision:
        raise damaged("a DECIMAL has more decimals than digits")
    before, after = divmod(precision - scale, 9), divmod(scale, 9)
    return 4 * (before[0] + after[0]) + _DIGIT_BYTES[before[1]] + _DIGIT_BYTES[after[1]]


_NUMBERS = frozenset(
    {
        ColumnType.TINY,
        ColumnType.SHORT,
        ColumnType.INT24,
        ColumnType.LONG,
        ColumnType.LONGLONG,
        ColumnType.NEWDECIMAL,
        ColumnType.FLOAT,
        ColumnType.DOUBLE,
    }
)
_SIGNEDNESS, _NAMES, _KEY, _KEY_WITH_PREFIXES = 1, 4, 8, 9

_Optional = tuple[frozenset[int] | None, tuple[str, ...] | None, tuple[int, ...] | None]


def _read_optional(body: Buffer, columns: tuple[MapColumn, ...]) -> _Optional:
    """Return what the optional part tells: unsigned columns, names, and the primary key."""
    unsigned: frozenset[int] | None = None
    names: tuple[str, ...] | None = None
    key: tuple[int, ...] | None = None
    while body.left:
        kind = body.number(1)
        field = Buffer(body.take(body.length()))
        if kind == _SIGNEDNESS:
            unsigned = _read_unsigned(field, columns)
        elif kind == _NAMES:
            found = []
            while field.left:
                found.append(field.take(field.length()).decode("utf-8", "replace"))
            names = tuple(found)
        elif kind in (_KEY, _KEY_WITH_PREFIXES):
            numbers = []
            while field.left:
                numbers.append(field.length())
                if kind == _KEY_WITH_PREFIXES:
                    field.length()
            key = tuple(numbers)
    return unsigned, names, key


def _read_unsigned(field: Buffer, columns: tuple[MapColumn, ...]) -> frozenset[int] | None:
    """Return which columns are unsigned: a bit for each number, from the highest of a byte on.

    None where that is not certain: servers do not agree whether a YEAR is a number.
    """
    if any(column.type == ColumnType.YEAR for column in columns):
        return None
    numbers = [place for place, column in enumerate(columns) if column.type in _NUMBERS]
    bits = field.rest()
    if len(bits) != (len(numbers) + 7) // 8:
        return None
    return frozenset(place for i, place in enumerate(numbers) if bits[i >> 3] & (0x80 >> (i & 7)))
