"""Laws of positions, of numbers of transactions, and of sets of keys, without a server."""

from __future__ import annotations

import itertools
import uuid
from array import array
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.binlog import key_set
from etl_pipeline.binlog.gtid import MariadbGtids, MysqlGtids
from etl_pipeline.binlog.key_set import ChangedKeys, KeyCollector
from etl_pipeline.binlog.keys import Cascades, KeyColumn, KeyLayout, find_changing
from etl_pipeline.binlog.position import Position, Start, advance, check_began, choose_start
from etl_pipeline.errors import LogError, PositionLostError

SERVER = uuid.UUID("3e11fa47-71ca-11e1-9e33-c80aa9429562")
INTEGER = KeyLayout("t", (KeyColumn("id", 0, "int"),), 2)
UNSIGNED = KeyLayout("t", (KeyColumn("id", 0, "bigint", is_unsigned=True),), 2)
PAIR = KeyLayout("t", (KeyColumn("id", 0, "int"), KeyColumn("name", 1, "varchar")), 2)
TEXT = KeyLayout("t", (KeyColumn("name", 0, "varchar"),), 2)

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30)
GTIDS = st.text("0123456789-,:abcdef", max_size=40)
NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(st.builds(Position, NAMES, st.integers(0, 2**40), GTIDS, st.integers(0, 2**32 - 1)))
def test_a_position_is_what_its_text_says(position: Position) -> None:
    assert Position.parse(str(position)) == position


@given(st.text(max_size=40))
def test_any_other_text_is_no_position(text: str) -> None:
    try:
        position = Position.parse(text)
    except LogError:
        return
    assert Position.parse(str(position)) == position


@given(st.integers(0, 2**36), st.integers(0, 2**31 - 1))
def test_offsets_go_on_beyond_four_gigabytes(offset: int, size: int) -> None:
    assert advance(offset, (offset + size) & 0xFFFFFFFF) == offset + size


@given(st.integers(0, 2**36), st.integers(1, 2**31 - 1))
def test_an_event_from_before_moves_nothing(offset: int, size: int) -> None:
    if offset >= size and offset >> 32 == (offset - size) >> 32:
        assert advance(offset, (offset - size) & 0xFFFFFFFF) == offset


@pytest.mark.parametrize(
    ("position", "files", "expected"),
    [
        (Position("a.000002", 100), {"a.000002": 100}, Start.FILE),
        (Position("a.000002", 100), {"a.000002": 99}, None),
        (Position("a.000002", 100, "0-1-5"), {"a.000003": 200}, None),
        (Position("a.000002", 2**32), {"a.000002": 2**33}, None),
        (Position("a.000002.ibb", 100, "0-1-5"), {}, Start.GTID),
        (Position("a.000002.ibb", 100), {}, None),
    ],
)
def test_where_the_log_is_entered(
    position: Position, files: dict[str, int], expected: Start | None
) -> None:
    if expected is None:
        with pytest.raises(PositionLostError, match="etl run"):
            choose_start(position, files)
    else:
        assert choose_start(position, files) is expected


def test_another_file_of_the_same_name_is_noticed() -> None:
    position = Position("a.000002", 100, "", 1000)
    check_began(position, "a.000002", 1000)
    check_began(position, "a.000003", 2000)
    check_began(Position("a.000002", 100), "a.000002", 2000)
    with pytest.raises(PositionLostError):
        check_began(position, "a.000002", 1001)


@given(st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 2**63)))
def test_mariadbs_numbers_are_what_their_text_says(last: dict[int, int]) -> None:
    gtids = MariadbGtids()
    for domain, sequence in last.items():
        gtids.add(domain, 1, sequence)
    assert str(MariadbGtids.parse(str(gtids))) == str(gtids)


INTERVALS = st.lists(
    st.tuples(st.sampled_from(["", "tag_a"]), st.integers(1, 60), st.integers(0, 12)),
    max_size=20,
)


@given(INTERVALS)
def test_mysqls_sets_hold_what_was_added(added: list[tuple[str, int, int]]) -> None:
    gtids, expected = MysqlGtids(), set()
    for tag, first, more in added:
        gtids.add_interval((str(SERVER), tag), first, first + more)
        expected |= {(tag, number) for number in range(first, first + more + 1)}
    again = MysqlGtids.parse(str(gtids).replace(",", ",\n"))
    assert str(again) == str(gtids)
    held = {
        (tag, number)
        for (_, tag), intervals in again.intervals()
        for first, last in intervals
        for number in range(first, last + 1)
    }
    assert held == expected
    for (_, _tag), intervals in again.intervals():
        assert all(b < c - 1 for (_, b), (c, _) in itertools.pairwise(intervals))


@given(INTERVALS, INTERVALS)
def test_a_set_of_mysqls_covers_its_parts_and_no_others(
    added: list[tuple[str, int, int]], asked: list[tuple[str, int, int]]
) -> None:
    sets = MysqlGtids(), MysqlGtids()
    numbers: tuple[set[tuple[str, int]], set[tuple[str, int]]] = set(), set()
    for gtids, held, intervals in zip(sets, numbers, (added, asked), strict=True):
        for tag, first, more in intervals:
            gtids.add_interval((str(SERVER), tag), first, first + more)
            held |= {(tag, number) for number in range(first, first + more + 1)}
    assert sets[0].covers(sets[1]) == (numbers[1] <= numbers[0])
    assert sets[0].covers(sets[0])
    assert sets[0].covers(MysqlGtids())


def test_a_transaction_of_mysql_is_added_by_its_number() -> None:
    gtids = MysqlGtids.parse(f"{SERVER}:1-5")
    gtids.add(SERVER.bytes, 6)
    gtids.add(SERVER.bytes, 9)
    gtids.add(SERVER.bytes, 8)
    gtids.add(SERVER.bytes, 1, "mark")
    assert str(gtids) == f"{SERVER}:1-6:8-9,{SERVER}:mark:1"


@pytest.mark.parametrize("text", ["0-1", "x", f"{SERVER}:0", f"{SERVER}:5-2", "1:2", f"{SERVER}:!"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(LogError):
        MysqlGtids.parse(text)
    with pytest.raises(LogError):
        MariadbGtids.parse(text)


@given(st.lists(NUMBERS))
def test_integers_are_kept_exactly(values: list[int]) -> None:
    collector = KeyCollector(INTEGER)
    with mock.patch.object(key_set, "PENDING_KEYS", 5):
        for value in values:
            collector.add_integers(array("q", [value]))
    keys = collector.take()
    assert list(keys.lines()) == [b"%d" % value for value in sorted(set(values))]
    assert keys.count == len(set(values))
    assert bool(keys) is bool(values)
    assert keys.is_exact


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_unsigned_integers_are_kept_exactly(values: list[int]) -> None:
    collector = KeyCollector(UNSIGNED)
    collector.add_integers(array("Q", values))
    other = KeyCollector(UNSIGNED)
    other.add(collector.take())
    assert list(other.take().lines()) == [b"%d" % value for value in sorted(set(values))]


@given(st.lists(st.integers(-1000, 1000)), st.lists(st.integers(-1000, 1000)))
def test_a_union_holds_both(left: list[int], right: list[int]) -> None:
    sets = []
    for values in (left, right):
        collector = KeyCollector(INTEGER)
        collector.add_integers(array("q", values))
        sets.append(collector.take())
    union = KeyCollector(INTEGER)
    for keys in sets:
        union.add(keys)
    assert {int(line) for line in union.take().lines()} == set(left) | set(right)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1))
def test_too_many_integers_become_ranges_that_hold_them(values: list[int]) -> None:
    with mock.patch.object(key_set, "MOST_RANGES", 8):
        collector = KeyCollector(INTEGER)
        for value in values:
            collector.add_integers(array("q", [value]))
            collector.take()
        keys = collector.take()
    ranges = list(keys.ranges)
    assert len(ranges) <= 8
    assert all(any(a <= value <= b for a, b in ranges) for value in values)
    assert all(b < c - 1 for (_, b), (c, _) in itertools.pairwise(ranges))
    if not keys.is_exact:
        assert len(set(values)) > 4


def lines_of(keys: ChangedKeys) -> set[bytes]:
    return set(keys.lines())


def test_lines_are_kept_and_then_ranges_and_then_nothing() -> None:
    pairs, texts = KeyCollector(PAIR), KeyCollector(TEXT)
    pairs.add_lines([b"5\tx", b"-7\ty", b"6\tz"])
    texts.add_lines([b"a", b"b"])
    assert lines_of(pairs.take()) == {b"5\tx", b"-7\ty", b"6\tz"}
    assert list(pairs.take().ranges) == [(-7, -7), (5, 6)]
    assert lines_of(texts.take()) == {b"a", b"b"}
    assert not list(texts.take().ranges)
    with mock.patch.object(key_set, "MOST_LINES_BYTES", 100):
        pairs.add_lines([b"9\tw"])
        texts.add_lines([b"c"])
        texts.add_lines([b"d"])
    kept = pairs.take()
    assert not kept.has_lines
    assert not kept.is_lost
    assert list(kept.ranges) == [(-7, -7), (5, 6), (9, 9)]
    assert texts.take().is_lost
    assert texts.take()
    assert not texts.take().has_lines
    joined = KeyCollector(PAIR)
    joined.add_lines([b"10\tq"])
    joined.add(kept)
    assert list(joined.take().ranges) == [(-7, -7), (5, 6), (9, 10)]
    lost = KeyCollector(TEXT)
    lost.add(texts.take())
    assert lost.take().is_lost


def test_cascades_are_followed_to_their_end() -> None:
    known = {
        "a": Cascades(on_delete=("b",), on_update=("c",)),
        "b": Cascades(on_update=("d",)),
        "d": Cascades(on_delete=("a",)),
    }

    def cascades_of(table: str) -> Cascades:
        return known.get(table, Cascades())

    assert find_changing("a", cascades_of, is_delete=True) == {"a", "b", "c", "d"}
    assert find_changing("a", cascades_of, is_delete=False) == {"c"}
    assert find_changing("c", cascades_of, is_delete=True) == set()


@pytest.mark.parametrize(
    ("position", "end", "expected"),
    [
        (Position("a.000009", 500), Position("a.000010", 4), False),
        (Position("a.000010", 4), Position("a.000009", 500), True),
        (Position("a.999999", 4), Position("a.1000000", 4), False),
        (Position("a.000001", 9), Position("a.000001", 9), True),
        (Position("b-1.ibb", 0, "0-1-5,2-1-9"), Position("b-2.ibb", 0, "0-3-5"), True),
        (Position("b-2.ibb", 0, "0-1-4"), Position("b-1.ibb", 0, "0-1-5"), False),
        (Position("b-2.ibb", 0, "0-1-9"), Position("b-1.ibb", 0, "0-1-5,7-1-1"), False),
    ],
)
def test_which_of_two_positions_is_later(position: Position, end: Position, expected: bool) -> None:
    assert position.has_reached(end) is expected
