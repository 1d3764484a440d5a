"""Rows of the log: the keys in events of inserted, updated and deleted rows (no I/O).

Rows have no length before them, so each is walked through to find where the next one begins. How
far it is from one value of variable size to the next depends on which columns are NULL, and is
reckoned once for each such pattern: a row then costs a step for each of those values.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from etl_pipeline.binlog.buffer import Buffer, damaged
from etl_pipeline.binlog.key_set import KeyCollector
from etl_pipeline.binlog.keys import KeyLayout
from etl_pipeline.binlog.table_map import ColumnType, MapColumn, TableMap
from etl_pipeline.binlog.values import (
    INTEGER_SIZES,
    Decoder,
    UnreadableValueError,
    integer_reader,
    make_decoder,
)

_MOST_PLANS = 4096
"""Patterns of NULL that are remembered; a table with more of them is no usual one."""


class RowChange(Enum):
    """Kinds of changes of the rows of an event."""

    WRITE = "write"
    UPDATE = "update"
    DELETE = "delete"


class RowsBody(NamedTuple):
    """The rows of an event.

    Attributes:
        column_count: Columns of the table.
        before: Bit map of the columns in each image; of an UPDATE, in the one before.
        after: Of an UPDATE, the bit map of the image after it; else the same as *before*.
        is_partial: Whether images after an UPDATE may hold parts of JSON values.
    """

    data: bytes
    change: RowChange
    column_count: int
    before: bytes
    after: bytes
    is_partial: bool = False


class UnreadableRowsError(Exception):
    """The keys of rows cannot be told beyond doubt; the message says why, without values."""


class _Plan(NamedTuple):
    """The way through an image with a certain pattern of NULL.

    Attributes:
        steps: Bytes to skip, then the size of the length of a value to skip, too.
        tail: Bytes behind the last of them.
        keys: For each column of the key, how many steps come before it and how many bytes then;
            None where the image lacks it.
        first: Bytes before the first column of the key where no step comes before it; else -1.
        unpack: Of a key of integers alone, before all steps, what reads them; else None.
    """

    steps: tuple[tuple[int, int], ...]
    tail: int
    keys: tuple[tuple[int, int] | None, ...]
    first: int
    unpack: Callable[[bytes, int], tuple[int, ...]] | None


class _Image:
    """The images that have the columns of one bit map."""

    def __init__(self, columns: tuple[MapColumn, ...], bits: bytes, layout: KeyLayout) -> None:
        self._layout, key = layout, tuple(column.place for column in layout.columns)
        self.places = [i for i in range(len(columns)) if bits[i >> 3] >> (i & 7) & 1]
        self.null_bytes = (len(self.places) + 7) // 8
        self._columns, self._key = columns, key
        self.plans: dict[bytes, _Plan] = {}

    def has_key(self) -> bool:
        """True if the image has all columns of the key."""
        return set(self._key) <= set(self.places)

    def has_key_part(self) -> bool:
        """True if the image has a column of the key."""
        return not set(self._key).isdisjoint(self.places)

    def plan(self, nulls: bytes) -> _Plan:
        """Make the plan for rows whose columns of these bits are NULL."""
        if len(nulls) < self.null_bytes or not self.null_bytes:
            raise damaged("a row is cut off")
        steps: list[tuple[int, int]] = []
        found: dict[int, tuple[int, int]] = {}
        skip = 0
        for i, place in enumerate(self.places):
            if nulls[i >> 3] >> (i & 7) & 1:
                if place in self._key:
                    raise UnreadableRowsError("a column of its key is NULL in the log")
                continue
            column = self._columns[place]
            if place in self._key:
                found[place] = len(steps), skip
            if column.length_bytes:
                steps.append((skip, column.length_bytes))
                skip = 0
            else:
                skip += column.size
        keys = tuple(found.get(place) for place in self._key)
        first = keys[0][1] if keys[0] and not keys[0][0] else -1
        plan = _Plan(tuple(steps), skip, keys, first, self._make_unpack(keys))
        if len(self.plans) > _MOST_PLANS:
            self.plans.clear()
        self.plans[nulls] = plan
        return plan

    def _make_unpack(
        self, keys: tuple[tuple[int, int] | None, ...]
    ) -> Callable[[bytes, int], tuple[int, ...]] | None:
        """Return what reads all columns of the key at once, if one pattern of bytes holds them."""
        pattern, reached = "<", 0
        for column, key in zip(self._layout.columns, keys, strict=True):
            code = INTEGER_SIZES.get(self._columns[column.place].size)
            if key is None or key[0] or key[1] < reached or code is None or not column.is_integer:
                return None
            code = code.upper() if column.is_unsigned else code
            pattern += "x" * (key[1] - reached) + code
            reached = key[1] + self._columns[column.place].size
        return struct.Struct(pattern).unpack_from

    def skip(self, data: bytes, position: int) -> int:
        """Return where the image at *position* ends."""
        if not self.places:
            return position
        nulls = data[position : position + self.null_bytes]
        steps, tail, *_ = self.plans.get(nulls) or self.plan(nulls)
        position += self.null_bytes
        for skip, length_bytes in steps:
            position = _skip_long(data, position + skip, length_bytes)
        return position + tail


class KeyReader:
    """Takes the keys out of the rows of one table, as one table map describes it.

    Args:
        table: What the log says of the table.
        layout: What the catalog says of its key.

    Raises:
        UnreadableRowsError: The two do not fit.
    """

    def __init__(self, table: TableMap, layout: KeyLayout) -> None:
        self._columns = _check_columns(table, layout)
        self.layout = layout
        self._key = tuple(column.place for column in layout.columns)
        self._json_count = sum(column.type == ColumnType.JSON for column in self._columns)
        self._decoders = _make_decoders(table, self._columns, layout)
        self._read_integer: Callable[[bytes, int], int] | None = None
        if layout.is_integer:
            stored = self._columns[self._key[0]]
            signed = not layout.columns[0].is_unsigned
            self._read_integer = integer_reader(stored.size, is_signed=signed)
        formats = (f"%0{c.width}d" if c.width else "%d" for c in layout.columns)
        self._line = "\t".join(formats).encode()
        self._images: dict[bytes, _Image] = {}

    def collect(self, body: RowsBody, keys: KeyCollector) -> None:
        """Add the keys of all rows of an event to *keys*; of an update, before and after.

        Raises:
            UnreadableRowsError: A row does not tell its key beyond doubt.
            LogError, or one of ``buffer.DAMAGE``: The rows are damaged.
        """
        if body.column_count != len(self._columns):
            raise damaged("rows have other columns than their table")
        before, after = self._image(body.before), self._image(body.after)
        if not body.data:
            raise UnreadableRowsError("its rows have no columns in the log")
        if not before.has_key():
            raise UnreadableRowsError("its rows do not hold the whole key in the log")
        # Images before and after an update follow each other like those of different rows.
        is_alike = body.before == body.after and not body.is_partial
        skipped = None if is_alike else after
        try:
            if (
                self._read_integer is None
                or body.is_partial
                or not (is_alike or not after.has_key_part())
            ):
                keys.add_lines(self._lines(body, before, after))
            else:
                keys.add_integers(self._integers(body.data, before, skipped))
        except UnreadableValueError as error:
            raise UnreadableRowsError(str(error)) from None

    def _image(self, bits: bytes) -> _Image:
        image = self._images.get(bits)
        if image is None:
            image = self._images[bits] = _Image(self._columns, bits, self.layout)
        return image

    def _integers(self, data: bytes, image: _Image, skipped: _Image | None) -> array[int]:
        """Return the keys of images that follow each other, each key of one integer.

        Args:
            data: The rows.
            image: Of which the key is taken.
            skipped: What follows each of them and has nothing of the key; None for nothing.
        """
        read, plans, null_bytes = self._read_integer, image.plans, image.null_bytes
        assert read is not None
        found = array(self.layout.array_code)
        append = found.append
        position, end = 0, len(data)
        while position < end:
            nulls = data[position : position + null_bytes]
            steps, tail, keys, first, _ = plans.get(nulls) or image.plan(nulls)
            position += null_bytes
            if first < 0:
                start, position = _walk(data, position, steps, keys[0])
                append(read(data, start))
            else:
                append(read(data, position + first))
                for skip, length_bytes in steps:
                    position += skip
                    if length_bytes == 1:
                        position += data[position] + 1
                    elif length_bytes == 2:
                        position += (data[position] | data[position + 1] << 8) + 2
                    else:
                        position = _skip_long(data, position, length_bytes)
            position += tail
            if skipped is not None:
                position = skipped.skip(data, position)
        if position != end:
            raise damaged("a row is cut off")
        return found

    def _lines(self, body: RowsBody, before: _Image, after: _Image) -> list[bytes]:
        """Return the keys of an event as lines of row text."""
        data, end = body.data, len(body.data)
        changes_key = after.has_key_part()
        is_alike = body.before == body.after and not body.is_partial
        lines: list[bytes] = []
        position = 0
        while position < end:
            if is_alike:
                line, position = self._line_at(data, position, before)
                lines.append(line)
                continue
            fields, position = self._fields(data, position, before)
            lines.append(b"\t".join(fields.values()))
            if body.is_partial:
                position = self._skip_partial(data, position)
            if changes_key:
                changed, position = self._fields(data, position, after)
                lines.append(b"\t".join((fields | changed).values()))
            else:
                position = after.skip(data, position)
        if position != end:
            raise damaged("a row is cut off")
        return lines

    def _line_at(self, data: bytes, position: int, image: _Image) -> tuple[bytes, int]:
        """Return the key in the image at *position*, which has all of it, and where it ends."""
        nulls = data[position : position + image.null_bytes]
        steps, tail, _, _, unpack = image.plans.get(nulls) or image.plan(nulls)
        if unpack is None:
            fields, position = self._fields(data, position, image)
            return b"\t".join(fields.values()), position
        position += image.null_bytes
        line = self._line % unpack(data, position)
        for skip, length_bytes in steps:
            position += skip
            if length_bytes == 1:
                position += data[position] + 1
            else:
                position = _skip_long(data, position, length_bytes)
        return line, position + tail

    def _fields(self, data: bytes, position: int, image: _Image) -> tuple[dict[int, bytes], int]:
        """Return the key's fields in the image at *position* by their number, and where it ends."""
        nulls = data[position : position + image.null_bytes]
        steps, tail, keys, *_ = image.plans.get(nulls) or image.plan(nulls)
        position += image.null_bytes
        marks = [position]
        for skip, length_bytes in steps:
            position = _skip_long(data, position + skip, length_bytes)
            marks.append(position)
        fields = {
            number: self._decoders[number](data, marks[key[0]] + key[1])
            for number, key in enumerate(keys)
            if key is not None
        }
        return fields, position + tail

    def _skip_partial(self, data: bytes, position: int) -> int:
        """Return where the image begins behind what is said of parts of JSON values."""
        options = Buffer(data, position)
        if options.length() & 1:
            options.take((self._json_count + 7) // 8)
        return options.position


def _walk(
    data: bytes, position: int, steps: tuple[tuple[int, int], ...], key: tuple[int, int] | None
) -> tuple[int, int]:
    """Return where the value at *key* begins, and where the last step ends."""
    assert key is not None
    start = position + key[1] if key[0] == 0 else 0
    for number, (skip, length_bytes) in enumerate(steps, 1):
        position = _skip_long(data, position + skip, length_bytes)
        if number == key[0]:
            start = position + key[1]
    return start, position


def _skip_long(data: bytes, position: int, length_bytes: int) -> int:
    """Return where the value ends whose length begins at *position*."""
    following = position + length_bytes
    if following > len(data):
        raise damaged("a row is cut off")
    return following + int.from_bytes(data[position:following], "little")


def _check_columns(table: TableMap, layout: KeyLayout) -> tuple[MapColumn, ...]:
    """Return the table's columns in the log.

    Raises:
        UnreadableRowsError: They are not those that the catalog has.
    """
    if layout.unreadable:
        raise UnreadableRowsError(layout.unreadable)
    if table.columns is None:
        raise UnreadableRowsError("it has a column of a type that the log's reader does not know")
    if len(table.columns) != layout.column_count:
        raise UnreadableRowsError("the log shows another number of columns than the catalog")
    if table.names is not None:
        names = [table.names[column.place : column.place + 1] for column in layout.columns]
        if names != [(column.name,) for column in layout.columns]:
            raise UnreadableRowsError("the log shows other names of columns than the catalog")
    places = {column.place for column in layout.columns}
    if table.primary_key is not None and set(table.primary_key) != places:
        raise UnreadableRowsError("the log shows another primary key than the catalog")
    return table.columns


def _make_decoders(
    table: TableMap, columns: tuple[MapColumn, ...], layout: KeyLayout
) -> tuple[Decoder, ...]:
    decoders = []
    for column in layout.columns:
        is_unsigned = column.is_unsigned
        is_told = table.unsigned is not None and column.is_integer
        if is_told and is_unsigned != (column.place in (table.unsigned or ())):
            raise UnreadableRowsError(
                f"the log shows another sign of {column.name} than the catalog"
            )
        decoder = make_decoder(column, columns[column.place], is_unsigned=is_unsigned)
        if decoder is None:
            raise UnreadableRowsError(
                f"the log stores {column.name} in a way that its reader does not know"
            )
        decoders.append(decoder)
    return tuple(decoders)


_FLAGS_BYTES = 2


def read_maps(
    event: bytes, start: int, change: RowChange, *, has_extra: bool
) -> tuple[int, int, bytes, bytes]:
    """Return where the rows of an event begin, its number of columns, and its bit maps.

    Args:
        event: As it came.
        start: Where its flags begin, behind the table's number.
        change: What happened to the rows.
        has_extra: Whether the event is of the second version, whose fixed part has a part more.
    """
    body = Buffer(event, start)
    body.take(_FLAGS_BYTES)
    if has_extra:
        body.take(body.number(2) - 2)
    count = body.length()
    size = (count + 7) // 8
    before = body.take(size)
    after = body.take(size) if change is RowChange.UPDATE else before
    return body.position, count, before, after
