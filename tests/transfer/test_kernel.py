"""The kernel and its twin: every value of every row, wherever the bytes are cut."""

from __future__ import annotations

import math
import re
import resource
import shutil
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer import kernel, kernel_python
from etl_pipeline.transfer.kernel_python import (
    NEGATIVE_ZEROS,
    NUL_CHARACTERS,
    ZERO_DATES,
    Rendered,
    ServerErrorPacket,
    missing_bytes,
)
from etl_pipeline.transfer.layout import Form, Layout, Wire, layout_of_bytes
from tests.transfer import packets

HOSTILE = [
    b"",
    b"\\N",
    b"\\.",
    b"NULL",
    b"\t",
    b"\n",
    b"\r\n",
    b"\\",
    b"\\0",
    b"\0",
    b"\\\0",
    b"a\\",
]
values = st.none() | st.sampled_from(HOSTILE) | st.binary(max_size=40)
plain = st.none() | st.integers().map(lambda n: str(n).encode())
dates = st.sampled_from(
    [None, b"2024-02-29", b"0001-01-01", b"9999-12-31 23:59:59.999999", b"2024-10-10 00:00:00"]
)
zero_dates = st.sampled_from([b"0000-00-00", b"2022-11-00", b"2022-00-03", b"0000-05-01 10:00:00"])
decimals = st.integers(0, 6)
FORMS = (
    st.sampled_from(Wire).map(Form)
    | st.builds(Form, st.sampled_from([Wire.DATETIME, Wire.TIME]), decimals)
    | st.builds(Form, st.sampled_from(list(Wire)[Wire.INT1 : Wire.FLOAT]), st.integers(0, 255))
)
ANY_MODES = st.lists(st.sampled_from(Mode), min_size=1, max_size=5)


def render(block: bytes, columns: list[Mode] | Layout) -> Rendered:
    """What both give; they must give the same, errors included."""
    layout = columns if isinstance(columns, Layout) else layout_of_bytes(columns)
    results: list[object] = []
    for function in (kernel_python.render, kernel.render):
        try:
            results.append(function(block, layout, with_copy=True))
        except (TransferError, ServerErrorPacket) as error:
            results.append((type(error), str(error)))
            failure = error
    assert results[0] == results[1]
    if not isinstance(results[0], Rendered):
        raise failure
    same = [r.copy_text is r.text for r in results if isinstance(r, Rendered)]
    assert same[0] == same[1] or results[0].copy_text == results[0].text
    return results[0]


def test_the_kernel_is_compiled_where_a_compiler_is_at_hand() -> None:
    assert kernel.IS_COMPILED or shutil.which("cc") is None


MODES = [Mode.PLAIN, Mode.TEXT, Mode.DATE, Mode.TEXT]
rows = st.lists(st.tuples(plain, values, dates | zero_dates, values), max_size=20)


@given(rows)
def test_lossless_text_holds_every_value(rows: list[packets.Row]) -> None:
    rendered = render(packets.result(rows), MODES)
    assert packets.read_text(rendered.text) == [list(row) for row in rows]
    assert rendered.rows == len(rows)
    assert rendered.is_end
    assert rendered.consumed == len(packets.result(rows))


@given(rows)
def test_copy_text_alters_only_what_postgres_cannot_hold_and_counts_it(
    rows: list[packets.Row],
) -> None:
    rendered = render(packets.result(rows), MODES)
    expected = []
    nul_characters = [0, 0, 0, 0]
    zero = 0
    for number, one, date, other in rows:
        is_zero = date is not None and (date[:4] == b"0000" or b"-00" in date[4:10])
        zero += is_zero
        for i, value in ((1, one), (3, other)):
            nul_characters[i] += (value or b"").count(b"\0")
        expected.append(
            [
                number,
                one if one is None else one.replace(b"\0", b""),
                None if is_zero else date,
                other if other is None else other.replace(b"\0", b""),
            ]
        )
    assert packets.read_text(rendered.copy_text) == expected
    assert rendered.altered[2, ZERO_DATES] == zero
    for i in (1, 3):
        assert rendered.altered[i, NUL_CHARACTERS] == nul_characters[i]


@given(rows, st.data())
def test_a_block_may_end_anywhere(rows: list[packets.Row], data: st.DataObject) -> None:
    whole = packets.result(rows)
    cut = data.draw(st.integers(0, len(whole)))
    first = render(whole[:cut], MODES)
    second = render(whole[first.consumed :], MODES)
    assert first.text + second.text == render(whole, MODES).text
    assert first.copy_text + second.copy_text == render(whole, MODES).copy_text
    assert first.rows + second.rows == len(rows)
    rest = whole[first.consumed : cut]
    assert missing_bytes(rest) <= len(whole) - cut


@given(st.binary(max_size=200), ANY_MODES, st.data())
def test_any_bytes_are_rows_or_an_error(
    block: bytes, modes: list[Mode], data: st.DataObject
) -> None:
    forms = data.draw(st.lists(FORMS, min_size=len(modes), max_size=len(modes)))
    try:
        rendered = render(block, Layout(tuple(modes), tuple(forms)))
    except (TransferError, ServerErrorPacket):
        return
    assert rendered.consumed <= len(block)
    if not {Mode.PLAIN, Mode.DATE} & set(modes):
        assert rendered.text.count(b"\n") == rendered.rows


@given(rows, st.data())
def test_damaged_packets_are_rows_or_an_error(rows: list[packets.Row], data: st.DataObject) -> None:
    block = bytearray(packets.result(rows))
    for _ in range(data.draw(st.integers(1, 4))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    try:
        rendered = render(bytes(block), MODES)
    except (TransferError, ServerErrorPacket):
        return
    assert rendered.consumed <= len(block)


@given(st.lists(st.binary(max_size=12), max_size=4), ANY_MODES)
def test_any_values_in_any_mode(values: list[bytes], modes: list[Mode]) -> None:
    nothing: list[bytes | None] = [None]
    row = [*values * 5][: len(modes)] if values else nothing * len(modes)
    rendered = render(packets.result([row]), modes)
    assert rendered.rows == 1


@pytest.mark.parametrize("size", [250, 251, 252, 65_535, 65_536])
def test_every_width_of_length(size: int) -> None:
    row = [b"x" * size, None]
    rendered = render(packets.result([row]), [Mode.TEXT, Mode.PLAIN])
    assert packets.read_text(rendered.text) == [row]


@pytest.mark.parametrize(
    "size", [packets.FULL - 12, packets.FULL - 6, packets.FULL, 2 * packets.FULL]
)
def test_a_row_over_several_packets(size: int) -> None:
    block = packets.result([[b"1", b"y" * size], [b"2", None]])
    rendered = render(block, [Mode.PLAIN, Mode.TEXT])
    assert rendered.rows == 2
    assert rendered.text == b"1\t" + b"y" * size + b"\n2\t\\N\n"
    assert missing_bytes(block[: packets.FULL]) in (0, 4)


def test_an_error_in_place_of_a_row_is_raised_with_its_number() -> None:
    error = packets.packet(b"\xff" + (1969).to_bytes(2, "little") + b"#70100Query timed out")
    with pytest.raises(ServerErrorPacket) as caught:
        render(packets.row_packet([b"1"]) + error, [Mode.PLAIN])
    assert caught.value.number == 1969


def test_a_backslash_before_a_zero_is_not_a_nul() -> None:
    rendered = render(packets.result([[b"\\0"]]), [Mode.TEXT])
    assert rendered.copy_text is rendered.text
    assert not rendered.altered


def test_an_error_over_several_packets_is_one_error() -> None:
    payload = b"\xff\x15\x04" + b"e" * packets.FULL
    with pytest.raises(ServerErrorPacket) as caught:
        render(packets.packet(payload), [Mode.PLAIN])
    assert caught.value.payload == payload


def test_the_kernel_keeps_no_memory() -> None:
    """Whole results, errors and wrong arguments alike give everything back."""
    rows = packets.result([[b"x" * 1000, b"\0", b"0000-00-00"]] * 1000)
    error = packets.packet(b"\xff\x15\x04" + b"e" * 1_000_000)
    layout = layout_of_bytes([Mode.TEXT, Mode.BINARY, Mode.DATE])

    def use() -> None:
        for _ in range(20):
            kernel.render(rows, layout, with_copy=True)
            with pytest.raises(ServerErrorPacket):
                kernel.render(error, layout, with_copy=True)
            with pytest.raises(TransferError):
                kernel.render(rows, layout_of_bytes(layout.modes[1:]), with_copy=True)

    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    use()
    use()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def numbers(bits: int, *, is_signed: bool) -> st.SearchStrategy[int]:
    least = -(1 << bits - 1) if is_signed else 0
    return st.integers(least, least + (1 << bits) - 1)


def times_of_day(most_hours: int) -> list[st.SearchStrategy[int]]:
    microseconds = st.just(0) | st.integers(0, 999_999)
    return [st.integers(0, n) for n in (most_hours, 59, 59)] + [microseconds]


days = [st.integers(0, n) for n in (9999, 12, 31)]
VALUES = {
    **{
        wire: numbers(8 << (wire - 1) // 2, is_signed=bool(wire % 2))
        for wire in list(Wire)[Wire.INT1 : Wire.FLOAT]
    },
    Wire.BYTES: st.binary(max_size=12),
    Wire.FLOAT: st.floats(width=32, allow_nan=False, allow_infinity=False),
    Wire.DOUBLE: st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**9), 10**9, places=2).map(float),
    Wire.DATE: st.tuples(*days, *[st.just(0)] * 4),
    Wire.DATETIME: st.tuples(*days, *times_of_day(23)),
    Wire.TIME: st.tuples(st.booleans(), st.integers(0, 34), *times_of_day(23)),
}


def print_value(form: Form, value: Any) -> bytes:
    """*value* as a server prints it, found in another way than the twin's; numbers as they are."""
    if form.wire is Wire.DATE:
        year, month, day, *_ = value
        return f"{year:04}-{month:02}-{day:02}".encode()
    if form.wire is Wire.TIME:
        negative, days, hours, *rest = value
        sign = "-" if negative else ""
        return f"{sign}{days * 24 + hours:02}:{_minutes(rest, form.digits)}".encode()
    if form.wire is Wire.DATETIME:
        year, month, day, hours, *rest = value
        date = f"{year:04}-{month:02}-{day:02}"
        return f"{date} {hours:02}:{_minutes(rest, form.digits)}".encode()
    return f"{value:0{form.digits + (value < 0)}}".encode()


def _minutes(rest: Sequence[int], digits: int) -> str:
    minutes, seconds, microseconds = rest
    fraction = f"{microseconds:06}"
    kept = fraction[:digits]
    if fraction[digits:].strip("0"):
        kept = fraction
    return f"{minutes:02}:{seconds:02}" + (f".{kept}" if kept else "")


@given(st.lists(FORMS, min_size=1, max_size=12), st.data())
def test_every_form_is_printed_as_the_server_would(forms: list[Form], data: st.DataObject) -> None:
    row = st.tuples(*(st.none() | VALUES[form.wire] for form in forms))
    rows = data.draw(st.lists(row, max_size=5))
    layout = Layout((Mode.TEXT,) * len(forms), tuple(forms))
    found = packets.read_text(render(packets.result(rows, forms), layout).text)
    assert len(found) == len(rows)
    for line, given_row in zip(found, rows, strict=True):
        for form, text, value in zip(forms, line, given_row, strict=True):
            if value is None or text is None or form.wire is Wire.BYTES:
                assert text == value
            elif form.wire in (Wire.FLOAT, Wire.DOUBLE):
                check_double(text, value)
            else:
                assert text == print_value(form, value)


def check_double(text: bytes, value: float) -> None:
    """It is read as the same number, sign of zero included, and has no digit too many."""
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    digits = re.sub(rb"e.*|[-.]", b"", text).strip(b"0")
    assert len(digits) <= len(repr(value).split("e")[0].replace(".", "").strip("-0")) + 1
    assert len(digits) <= 17
    assert (b"e" in text) == (value != 0 and not 1e-8 <= abs(value) < 999999999999999.9)


@given(st.lists(FORMS, min_size=1, max_size=5), st.data())
def test_every_form_in_every_mode(forms: list[Form], data: st.DataObject) -> None:
    """Kernel and twin agree; a date that PostgreSQL has no value for is counted in any form."""
    row = data.draw(st.tuples(*(st.none() | VALUES[form.wire] for form in forms)))
    modes = data.draw(st.lists(st.sampled_from(Mode), min_size=len(row), max_size=len(row)))
    rendered = render(packets.result([row], forms), Layout(tuple(modes), tuple(forms)))
    for i, (form, mode, value) in enumerate(zip(forms, modes, row, strict=True)):
        if form.wire in (Wire.DATE, Wire.DATETIME) and mode is Mode.DATE and value is not None:
            assert rendered.altered[i, ZERO_DATES] == (0 in value[:3])


@pytest.mark.parametrize("wire", [Wire.DOUBLE, Wire.FLOAT, Wire.BYTES])
def test_a_negative_zero_that_the_replica_cannot_hold_is_counted(wire: Wire) -> None:
    forms = [Form(wire), Form(Wire.DOUBLE), Form()]
    zero, other = (b"-0", b"-0.5") if wire is Wire.BYTES else (-0.0, -0.5)
    rows: list[Any] = [(zero, -0.0, b"-0"), (other, 0.0, b"-0"), (None, None, None)] * 3
    layout = Layout((Mode.REAL, Mode.PLAIN, Mode.TEXT), tuple(forms))
    rendered = render(packets.result(rows, forms), layout)
    assert rendered.text == b"0\t-0\t-0\n-0.5\t0\t-0\n\\N\t\\N\t\\N\n" * 3
    assert rendered.copy_text is rendered.text
    assert rendered.altered == {(0, NEGATIVE_ZEROS): 3}


def test_small_numbers_and_zero_dates_grow_beyond_the_block() -> None:
    """The output is many times the input: the room for it grows while rows are rendered."""
    forms = [Form(Wire.DATETIME, 6), Form(Wire.INT1, 255), Form(Wire.TIME, 6), Form()]
    rows = [((0,) * 7, -1, (0,) * 6, None)] * 5000
    block = packets.result(rows, forms)
    rendered = render(block, Layout((Mode.DATE, Mode.PLAIN, Mode.BINARY, Mode.TEXT), tuple(forms)))
    time = b"00:00:00.000000"
    line = b"\t".join([b"0000-00-00 " + time, b"-" + b"1".rjust(255, b"0"), time.hex().encode()])
    assert rendered.text == (line + b"\t\\N\n") * 5000
    assert len(rendered.text) > 10 * len(block)


@pytest.mark.parametrize(
    ("wire", "raw"),
    [
        (Wire.DATE, b"\x07" + bytes(7)),
        (Wire.DATE, b"\x04\x10\x27\x01\x01"),  # the year 10000
        (Wire.DATETIME, b"\x05" + bytes(5)),
        (Wire.DATETIME, b"\x07\x01\x00\x01\x01\x64\x00\x00"),
        (Wire.TIME, b"\x08\x02" + bytes(7)),
        (Wire.TIME, b"\x08\x00\x64" + bytes(6)),
        (Wire.TIME, b"\x0c" + bytes(8) + (1_000_000).to_bytes(4, "little")),
        (Wire.DOUBLE, struct.pack("<d", math.inf)),
        (Wire.FLOAT, struct.pack("<f", math.nan)),
        (Wire.INT8, bytes(7)),
    ],
)
def test_what_no_server_sends_is_no_value(wire: Wire, raw: bytes) -> None:
    block = packets.packet(b"\0\0" + raw) + packets.END
    with pytest.raises(TransferError):
        render(block, Layout((Mode.PLAIN,), (Form(wire),)))
