r"""The kernel in Python: a block of MySQL's row packets becomes a block of lines.

A line holds a row: fields apart by tabs, ``\N`` for NULL, backslash escapes for tab, newline,
carriage return, backslash and NUL. This *lossless* form is what LOAD DATA reads and what digests
are made of. COPY reads the same form but for two things that PostgreSQL has no value for, which
are altered and counted (zero dates and NUL characters), and for binary values: their hexadecimal
digits want a prefix there. A negative zero that the replica cannot hold is altered in both.

Values are printed as the server would print them, but for floating-point numbers: those have the
first of 15, 16 and 17 digits that are read as the same number.

Packets: three bytes of length, one of sequence, then the payload; a payload of 2**24 - 1 bytes
goes on in the next packet. A row's payload is a zero, a bit for each column that is NULL (after two
bits of no meaning), and the values that are not NULL: bytes with their length before them, little
endian numbers, or the parts of a date without those at its end that are zero (MySQL internals
manual, "Binary Protocol Resultset Row").
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer.layout import Form, Layout, Wire

_NULL = b"\\N"
_FULL_PACKET = 0xFFFFFF
_SRID_BYTES = 4
_SPECIAL = re.compile(rb"[\t\n\r\\\0]")
_ESCAPES = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r", b"\\": b"\\\\", b"\0": b"\\0"}
_NULL_BITS_OFFSET = 2
_ZERO_DATE = re.compile(rb"0000-|....-00-|....-..-00", re.DOTALL)

ZERO_DATES = "zero dates"
NUL_CHARACTERS = "NUL characters"
NEGATIVE_ZEROS = "negative zeros"


@dataclass(slots=True)
class Rendered:
    """What a block of packets became.

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
    """The lines of the complete rows at the start of *block*.

    Args:
        block: What the server sent, from the start of a packet, cut anywhere.
        layout: The columns.
        with_copy: Whether the lines for COPY are wanted too.

    Raises:
        ServerErrorPacket: The server sent an error in place of a row.
        TransferError: The bytes are no row of these columns.
    """
    modes = layout.modes
    values = _values(layout.forms)
    result = Rendered()
    lines: list[bytes] = []
    copy_lines: list[bytes] | None = None
    size = len(block)
    position = 0
    tabs = len(modes) - 1
    dates = [i for i, mode in enumerate(modes) if mode is Mode.DATE]
    reals = [i for i, mode in enumerate(modes) if mode is Mode.REAL]
    binaries = [i for i, mode in enumerate(modes) if mode in (Mode.BINARY, Mode.GEOMETRY)]
    while size - position >= 4:
        length = block[position] | block[position + 1] << 8 | block[position + 2] << 16
        start = position + 4
        end = start + length
        if end > size:
            break
        data: bytes | bytearray = block
        following = end
        if length == _FULL_PACKET:
            whole = _join_packets(block, position)
            if whole is None:
                break
            data, following = whole
            start, end = 0, len(data)
        payload = bytes(data[start:end])
        first = payload[0] if payload else 0
        if first == 0xFE and len(payload) < 9:
            result.is_end = True
            position = following
            break
        if first == 0xFF:
            raise ServerErrorPacket(payload)
        fields, nulls = values.split(payload)
        for i in reals:
            if fields[i] == b"-0":
                fields[i] = b"0"
                result.altered[i, NEGATIVE_ZEROS] += 1
        for i in binaries:
            if fields[i] is not _NULL:
                fields[i] = fields[i].hex().encode()
        line = b"\t".join(fields)
        # Escapes are rare: five searches of the whole line are cheaper than one of each field.
        if (
            line.count(b"\\") != nulls
            or line.count(b"\t") != tabs
            or b"\n" in line
            or b"\r" in line
            or b"\0" in line
        ):
            fields = [
                _escape(value) if mode is Mode.TEXT and value is not _NULL else value
                for value, mode in zip(fields, modes, strict=True)
            ]
            line = b"\t".join(fields)
        copy_line = line
        if binaries or (dates and (b"-00" in line or b"0000-" in line)) or b"\\0" in line:
            copy_line = _alter(fields, modes, result.altered, line)
        if with_copy and copy_line is not line and copy_lines is None:
            copy_lines = lines.copy()
        if copy_lines is not None:
            copy_lines.append(copy_line)
        lines.append(line)
        position = following
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


_Step = Callable[[bytes, int, list[bytes]], int]
"""Takes a value or more at a position, adds their text to a list, returns where the next begins.

It raises IndexError or struct.error where there is no such value.
"""


class _Values:
    """Takes rows of columns of these forms apart."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        self._null_bytes = (len(forms) + _NULL_BITS_OFFSET + 7) // 8
        self._all_null = (1 << len(forms)) - 1
        self._steps: dict[int, list[_Step | None]] = {}
        self._others = {form: _step(form) for form in set(forms) if not _is_plain_integer(form)}

    def split(self, row: bytes) -> tuple[list[bytes], int]:
        """The fields of *row* as text, and how many are NULL; those are the object ``_NULL``."""
        fields: list[bytes] = []
        position = 1 + self._null_bytes
        nulls = int.from_bytes(row[1:position], "little") >> _NULL_BITS_OFFSET & self._all_null
        try:
            if position > len(row) or row[0]:
                raise IndexError
            for step in self._steps.get(nulls) or self._plan(nulls):
                if step is not None:
                    position = step(row, position, fields)
                    continue
                length = row[position]
                position += 1
                if length > 250:
                    width = (0, 2, 3, 8, 0)[length - 251]
                    if not width:
                        raise IndexError
                    length = int.from_bytes(row[position : position + width], "little")
                    position += width
                    if length > len(row):
                        raise IndexError
                following = position + length
                fields.append(row[position:following])
                position = following
        except (IndexError, struct.error):
            position = -1
        if position != len(row):
            raise TransferError("the server's bytes are no row of the columns that were asked for")
        return fields, nulls.bit_count()

    def _plan(self, nulls: int) -> list[_Step | None]:
        """The steps for rows whose columns of these bits are NULL; None is a value of bytes.

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
        if len(self._steps) > _MANY:
            self._steps.clear()
        self._steps[nulls] = steps
        return steps


@functools.lru_cache(maxsize=16)
def _values(forms: tuple[Form, ...]) -> _Values:
    """What takes rows of *forms* apart; the texts that it keeps serve all blocks of a result."""
    return _Values(forms)


_MANY = 1 << 16
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
    fields.append(_NULL)
    return position


def _integers(forms: Sequence[Form]) -> _Step:
    numbers = struct.Struct("<" + "".join(_INTEGERS[form.wire] for form in forms))
    unpack, size, pattern = numbers.unpack_from, numbers.size, b" ".join([b"%d"] * len(forms))

    def add(row: bytes, position: int, fields: list[bytes]) -> int:
        fields += (pattern % unpack(row, position)).split()
        return position + size

    return add


def _step(form: Form) -> _Step | None:
    """The step of a value that is no plain integer; None for bytes."""
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
    """The step that lets *write* make the text of a value's bytes, once for equal values.

    Args:
        write: Given the bytes without their length.
        size: How many there are; None where the value has its length before it.
    """
    known: dict[bytes, bytes] = {}

    def add(row: bytes, position: int, fields: list[bytes]) -> int:
        length = size
        if length is None:
            length = row[position]
            position += 1
        following = position + length
        raw = row[position:following]
        text = known.get(raw)
        if text is None:
            if len(raw) < length:
                raise IndexError
            text = write(raw)
            if len(known) > _MANY:
                known.clear()
            known[raw] = text
        fields.append(text)
        return following

    return add


_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
_DATE, _TIME = struct.Struct("<HBBBBBI"), struct.Struct("<BIBBBI")
_SHORT = 15  # so many characters hold fewer than 15 digits


def write_double(value: float) -> bytes:
    """*value* in the first of 15, 16 and 17 digits that are read as the same number.

    Written out from 1e-8 up to 1e15, beyond with a power of ten.

    Raises:
        IndexError: It is no number.
    """
    if not math.isfinite(value):
        raise IndexError
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
    """A date of no bytes or four; IndexError for others, and for what is no date."""
    if len(raw) not in (0, 4):
        raise IndexError
    return _calendar_date(*_DATE.unpack(raw.ljust(_DATE.size, b"\0"))[:3])


def write_datetime(raw: bytes, digits: int) -> bytes:
    """A date and time of day, of 0, 4, 7 or 11 bytes; IndexError as above."""
    if len(raw) not in (0, 4, 7, 11):
        raise IndexError
    year, month, day, hours, *rest = _DATE.unpack(raw.ljust(_DATE.size, b"\0"))
    if hours > 99:
        raise IndexError
    return _calendar_date(year, month, day) + b" " + _clock(digits, hours, *rest)


def write_time(raw: bytes, digits: int) -> bytes:
    """A time of 0, 8 or 12 bytes, also negative; IndexError as above."""
    if len(raw) not in (0, 8, 12):
        raise IndexError
    negative: int
    negative, days, hours, *rest = _TIME.unpack(raw.ljust(_TIME.size, b"\0"))
    if negative > 1 or days > 99 or hours > 99:
        raise IndexError
    return b"-" * negative + _clock(digits, days * 24 + hours, *rest)


def _calendar_date(year: int, month: int, day: int) -> bytes:
    if year > 9999 or month > 99 or day > 99:
        raise IndexError
    return b"%04d-%02d-%02d" % (year, month, day)


def _clock(digits: int, hours: int, minutes: int, seconds: int, microseconds: int) -> bytes:
    """The time with *digits* decimals, or with as many as there must be."""
    if minutes > 99 or seconds > 99 or microseconds > 999999:
        raise IndexError
    text = b"%02d:%02d:%02d" % (hours, minutes, seconds)
    if digits > 6 or microseconds % 10 ** (6 - digits):
        digits = 6
    return text + b".%0*d" % (digits, microseconds // 10 ** (6 - digits)) if digits else text


def _pad(digits: int, value: int) -> bytes:
    return b"-" * (value < 0) + b"%0*d" % (digits, abs(value))


def _join_packets(block: bytes | bytearray, position: int) -> tuple[bytes, int] | None:
    """A payload sent in several packets, and where it ends; None while some of it is missing."""
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
    """How many bytes the packet lacks in which *rest* ends, by its own length; 0 if unknown."""
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
    """The line for COPY; *line* itself where it turns out that nothing is altered."""
    changed = False
    kept = list(fields)
    for i, (value, mode) in enumerate(zip(fields, modes, strict=True)):
        if mode is Mode.DATE and _ZERO_DATE.match(value):
            kept[i] = _NULL
            altered[i, ZERO_DATES] += 1
            changed = True
        elif mode is Mode.TEXT and b"\\0" in value:
            kept[i], removed = _remove_nul(value)
            if removed:
                altered[i, NUL_CHARACTERS] += removed
                changed = True
        elif mode in (Mode.BINARY, Mode.GEOMETRY) and value is not _NULL:
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
