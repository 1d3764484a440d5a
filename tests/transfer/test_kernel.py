"""The kernel and its twin: every value of every row, wherever the bytes are cut."""

from __future__ import annotations

import resource
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer import kernel, twin
from etl_pipeline.transfer.twin import (
    NUL_CHARACTERS,
    ZERO_DATES,
    Rendered,
    ServerErrorPacket,
    missing_bytes,
)
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
ANY_MODES = st.lists(st.sampled_from(Mode), min_size=1, max_size=5)


def render(block: bytes, modes: list[Mode]) -> Rendered:
    """What both give; they must give the same, errors included."""
    results: list[object] = []
    for function in (twin.render, kernel.render):
        try:
            results.append(function(block, modes, with_copy=True))
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


@given(st.binary(max_size=200), ANY_MODES)
def test_any_bytes_are_rows_or_an_error(block: bytes, modes: list[Mode]) -> None:
    try:
        rendered = render(block, modes)
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
    "size", [packets.FULL - 10, packets.FULL - 4, packets.FULL, 2 * packets.FULL]
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
    modes = [Mode.TEXT, Mode.BINARY, Mode.DATE]

    def use() -> None:
        for _ in range(20):
            kernel.render(rows, modes, with_copy=True)
            with pytest.raises(ServerErrorPacket):
                kernel.render(error, modes, with_copy=True)
            with pytest.raises(TransferError):
                kernel.render(rows, modes[1:], with_copy=True)

    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    use()
    use()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
