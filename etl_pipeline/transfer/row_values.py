"""The values of a row of MySQL's binary protocol, as text.

A row is a zero, a bit for each column that is NULL (after two bits of no meaning), and the values
that are not NULL: bytes with their length before them, little endian numbers, or the parts of a
date without those at its end that are zero (MySQL internals manual, "Binary Protocol Resultset
Row").

Values are printed as the server would print them, but for floating-point numbers: those have the
first of 15, 16 and 17 digits that are read as the same number.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Sequence

from etl_pipeline.errors import TransferError
from etl_pipeline.transfer.layout import Form, Wire

NULL = b"\\N"
_NULL_BITS_OFFSET = 2
_LONGEST_SHORT = 250
"""The largest length that one byte tells; a byte above it says how many bytes tell the length."""
_LENGTH_BYTES = {252: 2, 253: 3, 254: 8}
_MAX_KEPT = 1 << 16

_Step = Callable[[bytes, int, list[bytes]], int]
"""Adds the text of the values at a position to a list, and returns where the next value begins.

A result beyond the end of the row means that the row is too short. What is no value raises.
"""


class RowReader:
    """Splits the rows of a result into the text of their fields.

    Args:
        forms: Of the columns, in order.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        self._null_bytes = (len(forms) + _NULL_BITS_OFFSET + 7) // 8
        self._all_null = (1 << len(forms)) - 1
        self._steps: dict[int, list[_Step | None]] = {}
        self._others = {form: _step(form) for form in set(forms) if not _is_plain_integer(form)}

    def split(self, row: bytes) -> tuple[list[bytes], int]:
        """Return the fields of *row* as text, and how many are NULL; those are the object ``NULL``.

        Raises:
            TransferError: *row* is no row of these columns.
        """
        fields: list[bytes] = []
        size = len(row)
        position = 1 + self._null_bytes
        if position > size or row[0]:
            raise malformed_row()
        nulls = int.from_bytes(row[1:position], "little") >> _NULL_BITS_OFFSET & self._all_null
        for step in self._steps.get(nulls) or self._plan(nulls):
            if step is not None:
                position = step(row, position, fields)
                continue
            if position >= size:
                raise malformed_row()
            length = row[position]
            position += 1
            if length > _LONGEST_SHORT:
                length, position = _read_length(row, position)
            following = position + length
            fields.append(row[position:following])
            position = following
        if position != size:
            raise malformed_row()
        return fields, nulls.bit_count()

    def _plan(self, nulls: int) -> list[_Step | None]:
        """Return the steps for rows whose columns of these bits are NULL; None reads bytes.

        Integers that follow each other are one step: most of a row's columns are such.
        """
        steps: list[_Step | None] = []
        integers: list[Form] = []
        for i, form in enumerate((*self._forms, None)):
            is_null = bool(nulls >> i & 1)
            if form is not None and not is_null and _is_plain_integer(form):
                integers.append(form)
                continue
            if integers:
                steps.append(_integers(integers))
                integers = []
            if form is not None:
                steps.append(_add_null if is_null else self._others[form])
        if len(self._steps) > _MAX_KEPT:
            self._steps.clear()
        self._steps[nulls] = steps
        return steps


@functools.lru_cache(maxsize=16)
def row_reader(forms: tuple[Form, ...]) -> RowReader:
    """Return the reader for rows of *forms*; it keeps texts for all blocks of a result."""
    return RowReader(forms)


def malformed_row() -> TransferError:
    """Return the error for bytes that are no row of the columns."""
    return TransferError("the server's bytes are no row of the columns that were asked for")


def _read_length(row: bytes, position: int) -> tuple[int, int]:
    """Read a length that begins with a byte above 250; return it and where the value begins."""
    width = _LENGTH_BYTES.get(row[position - 1])
    if width is None or position + width > len(row):
        raise malformed_row()
    following = position + width
    return int.from_bytes(row[position:following], "little"), following


_INTEGERS = {
    Wire.INT1: "b",
    Wire.UINT1: "B",
    Wire.INT2: "h",
    Wire.UINT2: "H",
    Wire.INT4: "i",
    Wire.UINT4: "I",
    Wire.INT8: "q",
    Wire.UINT8: "Q",
}


def _is_plain_integer(form: Form) -> bool:
    return form.wire in _INTEGERS and not form.digits


def _add_null(_row: bytes, position: int, fields: list[bytes]) -> int:
    fields.append(NULL)
    return position


def _integers(forms: Sequence[Form]) -> _Step:
    numbers = struct.Struct("<" + "".join(_INTEGERS[form.wire] for form in forms))
    unpack, size, pattern = numbers.unpack_from, numbers.size, b" ".join([b"%d"] * len(forms))

    def add(row: bytes, position: int, fields: list[bytes]) -> int:
        following = position + size
        if following > len(row):
            raise malformed_row()
        fields += (pattern % unpack(row, position)).split()
        return following

    return add


def _step(form: Form) -> _Step | None:
    """Return the step of a value that is no plain integer; None for bytes."""
    match form.wire:
        case Wire.BYTES:
            return None
        case Wire.FLOAT:
            return _remembering(lambda raw: write_double(*_FLOAT.unpack(raw)), _FLOAT.size)
        case Wire.DOUBLE:
            return _remembering(lambda raw: write_double(*_DOUBLE.unpack(raw)), _DOUBLE.size)
        case Wire.DATE:
            return _remembering(write_date)
        case Wire.DATETIME:
            return _remembering(lambda raw: write_datetime(raw, form.digits))
        case Wire.TIME:
            return _remembering(lambda raw: write_time(raw, form.digits))
    number = struct.Struct("<" + _INTEGERS[form.wire])
    return _remembering(lambda raw: _pad(form.digits, *number.unpack(raw)), number.size)


def _remembering(write: Callable[[bytes], bytes], size: int | None = None) -> _Step:
    """Return a step that lets *write* make the text of a value's bytes, once for equal values.

    Args:
        write: Given the bytes without their length.
        size: How many there are; None where the value has its length before it.
    """
    known: dict[bytes, bytes] = {}

    def add(row: bytes, position: int, fields: list[bytes]) -> int:
        length = size
        if length is None:
            if position >= len(row):
                raise malformed_row()
            length = row[position]
            position += 1
        following = position + length
        raw = row[position:following]
        text = known.get(raw)
        if text is None:
            if len(raw) < length:
                raise malformed_row()
            text = write(raw)
            if len(known) > _MAX_KEPT:
                known.clear()
            known[raw] = text
        fields.append(text)
        return following

    return add


_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
_DATE, _TIME = struct.Struct("<HBBBBBI"), struct.Struct("<BIBBBI")
_SHORT = 15  # so many characters hold fewer than 15 digits


def write_double(value: float) -> bytes:
    """Return *value* in the first of 15, 16 and 17 digits that are read as the same number.

    Written out from 1e-8 up to 1e15, beyond with a power of ten.

    Raises:
        TransferError: It is no number.
    """
    if not math.isfinite(value):
        raise malformed_row()
    short = repr(value)
    if len(short) <= _SHORT and "e" not in short:
        return short.removesuffix(".0").encode()
    for decimals in (14, 15, 16):
        printed = f"{abs(value):.{decimals}e}"
        if float(printed) == abs(value):
            break
    mantissa, _, power = printed.partition("e")
    digits, exponent = mantissa.replace(".", "").rstrip("0"), int(power)
    if exponent < -8 or exponent > 14:
        text = f"{digits[0]}.{digits[1:]}".removesuffix(".") + f"e{exponent}"
    elif exponent < 0:
        text = "0." + "0" * (-1 - exponent) + digits
    else:
        digits = digits.ljust(exponent + 1, "0")
        text = f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}".removesuffix(".")
    return ("-" * (value < 0) + text).encode()


def write_date(raw: bytes) -> bytes:
    """Return the text of a date of 0 or 4 bytes; TransferError for any other size or value."""
    if len(raw) not in (0, 4):
        raise malformed_row()
    return _calendar_date(*_DATE.unpack(raw.ljust(_DATE.size, b"\0"))[:3])


def write_datetime(raw: bytes, digits: int) -> bytes:
    """Return the text of a date and time of 0, 4, 7 or 11 bytes; TransferError as above."""
    if len(raw) not in (0, 4, 7, 11):
        raise malformed_row()
    year, month, day, hours, *rest = _DATE.unpack(raw.ljust(_DATE.size, b"\0"))
    if hours > 99:
        raise malformed_row()
    return _calendar_date(year, month, day) + b" " + _clock(digits, hours, *rest)


def write_time(raw: bytes, digits: int) -> bytes:
    """Return the text of a time of 0, 8 or 12 bytes, also negative; TransferError as above."""
    if len(raw) not in (0, 8, 12):
        raise malformed_row()
    negative: int
    negative, days, hours, *rest = _TIME.unpack(raw.ljust(_TIME.size, b"\0"))
    if negative > 1 or days > 99 or hours > 99:
        raise malformed_row()
    return b"-" * negative + _clock(digits, days * 24 + hours, *rest)


def _calendar_date(year: int, month: int, day: int) -> bytes:
    if year > 9999 or month > 99 or day > 99:
        raise malformed_row()
    return b"%04d-%02d-%02d" % (year, month, day)


def _clock(digits: int, hours: int, minutes: int, seconds: int, microseconds: int) -> bytes:
    """Return the time with *digits* decimals, or with six where those would lose some."""
    if minutes > 99 or seconds > 99 or microseconds > 999999:
        raise malformed_row()
    text = b"%02d:%02d:%02d" % (hours, minutes, seconds)
    if digits > 6 or microseconds % 10 ** (6 - digits):
        digits = 6
    return text + b".%0*d" % (digits, microseconds // 10 ** (6 - digits)) if digits else text


def _pad(digits: int, value: int) -> bytes:
    return b"-" * (value < 0) + b"%0*d" % (digits, abs(value))
