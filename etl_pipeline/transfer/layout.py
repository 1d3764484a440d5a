"""Layout of a server's rows in packets: the form and the mode of each column (no I/O).

Rows are asked for in the protocol's binary form, in which numbers and dates are sent as the server
holds them: it spends a third less on a row than where it prints them as text, and that third is
somebody's production server's. The kernel prints them, as the server would.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pymysql.constants import FIELD_TYPE, FLAG

from etl_pipeline.schema.types import Mode


class Wire(IntEnum):
    """The form of a value in a packet; the numbers are the compiled kernel's."""

    BYTES = 0
    """With its length before it: text, bytes, and decimals, which are sent as digits."""
    INT1 = 1
    UINT1 = 2
    INT2 = 3
    UINT2 = 4
    INT4 = 5
    UINT4 = 6
    INT8 = 7
    UINT8 = 8
    FLOAT = 9
    DOUBLE = 10
    DATE = 11
    DATETIME = 12
    TIME = 13


_INTEGERS: Final = {
    FIELD_TYPE.TINY: Wire.INT1,
    FIELD_TYPE.SHORT: Wire.INT2,
    FIELD_TYPE.YEAR: Wire.INT2,
    FIELD_TYPE.INT24: Wire.INT4,
    FIELD_TYPE.LONG: Wire.INT4,
    FIELD_TYPE.LONGLONG: Wire.INT8,
}
_OTHERS: Final = {
    FIELD_TYPE.FLOAT: Wire.FLOAT,
    FIELD_TYPE.DOUBLE: Wire.DOUBLE,
    FIELD_TYPE.DATE: Wire.DATE,
    FIELD_TYPE.NEWDATE: Wire.DATE,
    FIELD_TYPE.DATETIME: Wire.DATETIME,
    FIELD_TYPE.TIMESTAMP: Wire.DATETIME,
    FIELD_TYPE.TIME: Wire.TIME,
}
_TEMPORAL = frozenset({Wire.DATETIME, Wire.TIME})
_MOST_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a column's values.

    Attributes:
        digits: Decimals of the seconds of a time; of an integer how many digits are printed at
            least (a YEAR has four, an integer with ZEROFILL has its width); else 0.
    """

    wire: Wire = Wire.BYTES
    digits: int = 0


def read_form(type_code: int, flags: int, length: int, decimals: int) -> Form:
    """Return the form that a column's definition announces, given its parts from the protocol."""
    if type_code in _INTEGERS:
        wire = _INTEGERS[type_code]
        is_padded = type_code == FIELD_TYPE.YEAR or bool(flags & FLAG.ZEROFILL)
        return Form(
            Wire(wire + 1) if flags & FLAG.UNSIGNED else wire,
            min(length, 255) if is_padded else 0,
        )
    wire = _OTHERS.get(type_code, Wire.BYTES)
    return Form(wire, decimals if wire in _TEMPORAL and decimals <= _MOST_DECIMALS else 0)


@dataclass(frozen=True)
class Layout:
    """The columns of a result, in order.

    Attributes:
        modes: What the kernel does with each.
        forms: How each is sent.
    """

    modes: tuple[Mode, ...]
    forms: tuple[Form, ...]

    @functools.cached_property
    def packed(self) -> bytes:
        """Three bytes for each column, as the compiled kernel reads them: mode, wire, digits."""
        columns = zip(self.modes, self.forms, strict=True)
        return bytes(n for mode, form in columns for n in (mode, form.wire, form.digits))


def layout_of_bytes(modes: Sequence[Mode]) -> Layout:
    """Return the layout of columns whose values are all sent with their length before them."""
    return Layout(tuple(modes), (Form(),) * len(modes))
