"""Segments find every row that changed, wherever in a chunk it is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.replicate.difference import find_difference
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.state import segments
from etl_pipeline.state.segments import (
    cut_segments,
    find_other,
    lines_of,
    pack,
    unpack,
    update_segments,
)
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable, render_table

Rows = Mapping[tuple[int, int], str]

KEYS = st.tuples(st.integers(-(2**63), 2**64 - 1) | st.integers(-9, 9), st.integers(0, 2))
ROWS = st.dictionaries(KEYS, st.text("ab\t\n\\", max_size=30), max_size=40)


def text_of(*, charset: str | None = None) -> RenderedTable:
    """A table whose key is not its first column; part of the key is text where *charset* is."""
    words = Column("w", "varchar", "varchar(99)", is_nullable=False, charset="utf8mb4")
    key = Column("k", "bigint", "bigint(20)", is_nullable=False)
    kind = "varchar" if charset else "int"
    other = Column("o", kind, f"{kind}(11)", is_nullable=False, charset=charset)
    return render_table(Table("t", (words, key, other), ("k", "o")))


TEXT = text_of()


def body_of(rows: Rows) -> bytes:
    def line(key: tuple[int, int], words: str) -> str:
        escaped = words.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        return f"{escaped}\t{key[0]}\t{key[1]}\n"

    return "".join(line(key, rows[key]) for key in sorted(rows)).encode()


def lines_in(body: bytes) -> list[bytes]:
    return body.split(b"\n")[:-1]


@given(
    before=ROWS,
    after=ROWS,
    kept=st.floats(0, 1),
    least=st.sampled_from([1, 20, 100]),
    most=st.integers(1, 50),
)
def test_what_differs_is_within_the_segments_that_differ(
    before: Rows, after: Rows, kept: float, least: int, most: int
) -> None:
    common = sorted(before)[: int(len(before) * kept)]
    after = {**after, **{key: before[key] for key in common}}
    chunk = Chunk(3, min((k for k, _ in {**before, **after}), default=None), None)
    with mock.patch.multiple(segments, LEAST_BYTES=least, MOST_SEGMENTS=most):
        one, other = body_of(before), body_of(after)
        cut = cut_segments(TEXT, chunk, one)
        if not cut:
            return
        assert unpack(pack(cut), chunk) == cut
        assert find_other(TEXT, cut, one) == []
        assert cut[0].keys.lower == chunk.lower
        assert cut[-1].keys.upper == chunk.upper
        assert all(a.keys.upper == b.keys.lower for a, b in itertools.pairwise(cut))
        assert list(lines_of(TEXT, cut, other)) == lines_in(other)
        found = find_other(TEXT, cut, other)
        theirs = list(lines_of(TEXT, found, one))
        ours = list(lines_of(TEXT, found, other))
        assert find_difference(ours, theirs) == find_difference(lines_in(other), lines_in(one))
        # What is read of the segments alone is as good as what is read of the chunk.
        read = b"".join(line + b"\n" for line in theirs)
        assert find_other(TEXT, found, read) == []
        updated = update_segments(TEXT, chunk, cut, found, other)
        assert find_other(TEXT, updated, other) == []


def test_a_row_that_changed_is_in_one_segment_of_many() -> None:
    rows = {(k, 0): "x" * 150 for k in range(20_000)}
    cut = cut_segments(TEXT, Chunk(0), body_of(rows))
    assert 100 < len(cut) <= segments.MOST_SEGMENTS
    changed = body_of({**rows, (777, 0): "y"})
    (found,) = find_other(TEXT, cut, changed)
    assert found.keys.lower is not None
    assert found.keys.upper is not None
    assert found.keys.lower <= 777 < found.keys.upper


def test_a_segment_that_grew_is_cut_anew() -> None:
    rows = {(k, 0): "x" * 150 for k in range(1_000)}
    cut = cut_segments(TEXT, Chunk(0), body_of(rows))
    grown = body_of({**rows, **{(k, 0): "x" * 150 for k in range(1_000, 2_000)}})
    updated = update_segments(TEXT, Chunk(0), cut, find_other(TEXT, cut, grown), grown)
    assert updated == cut_segments(TEXT, Chunk(0), grown)


def test_lines_that_servers_order_in_their_own_ways_have_no_segments() -> None:
    text = text_of(charset="utf8mb4")
    assert cut_segments(text, Chunk(0), body_of({(k, 0): "x" * 150 for k in range(9_000)})) == []
