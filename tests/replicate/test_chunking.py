"""Chunks tile the range of keys, whatever the keys."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.replicate.chunking import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    chunk_rows,
    grow_chunks,
    plan_chunks,
)
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.transfer.chunk import Chunk, is_tiling
from etl_pipeline.transfer.select import render_table


def table_of(rows: int = 0, size: int = 0) -> Table:
    key = Column("k", "bigint", "bigint(20)", is_nullable=False)
    other = Column("other", "int", "int(11)", is_nullable=False)
    return Table("t", (key, other), ("k", "other"), rows_estimate=rows, data_bytes=size)


def holds(chunk: Chunk, key: int) -> bool:
    return (chunk.lower is None or key >= chunk.lower) and (
        chunk.upper is None or key < chunk.upper
    )


keys = st.integers(-(2**63), 2**64 - 1) | st.integers(-5, 5)


@given(st.lists(keys, max_size=60), st.integers(1, 7), keys, st.data())
def test_chunks_tile_the_range_and_hold_about_as_many_rows_as_asked(
    rows: list[int], chunk_size: int, any_key: int, data: st.DataObject
) -> None:
    rows = sorted(rows)

    def ask(statement: str) -> int | None:
        """What a server answers to the two probes."""
        if found := re.search(r"SELECT MIN.*?(?: > (-?\d+))?$", statement):
            above = [k for k in rows if found[1] is None or k > int(found[1])]
            return min(above, default=None)
        lower = re.search(r">= (-?\d+)", statement)
        offset = int(re.search(r"OFFSET (\d+)$", statement)[1])  # type: ignore[index]
        left = [k for k in rows if lower is None or k >= int(lower[1])]
        return left[offset] if offset < len(left) else None

    cut = data.draw(st.integers(0, len(rows)))
    bytes_each = CHUNK_BYTES // chunk_size
    text = render_table(table_of(1000, 1000 * bytes_each))
    chunks = plan_chunks(text, ask)
    # The same as growing from what was there when fewer rows were.
    later, rows = rows, rows[:cut]
    some = plan_chunks(text, ask)
    rows = later
    grown = grow_chunks(text, some, ask)
    assert is_tiling(some)
    assert grown[: len(some) - 1] == some[:-1]
    assert grown == chunks

    assert is_tiling(chunks)
    for key in [*rows, any_key]:
        assert sum(holds(chunk, key) for chunk in chunks) == 1
    size = chunk_rows(text.table)
    for chunk in chunks[:-1]:
        held = [key for key in rows if holds(chunk, key)]
        assert held
        most_of_one_key = max(rows.count(key) for key in held)
        assert len(held) <= size + most_of_one_key
        if len(set(rows)) == len(rows):
            assert len(held) == size


@given(
    st.sets(st.integers(-60, 60) | st.integers(2**63, 2**63 + 60), max_size=60),
    st.integers(1, 7),
    st.integers(0, 200),
)
def test_no_chunk_holds_more_rows_than_asked_whatever_the_source_estimates(
    keys: set[int], chunk_size: int, estimate: int
) -> None:
    rows = sorted(keys)

    def ask(statement: str) -> int | None:
        if "MAX" in statement:
            return max(rows, default=None)
        if "MIN" in statement:
            return min(rows, default=None)
        probes.append(statement)
        lower = re.search(r">= (-?\d+)", statement)
        offset = int(re.search(r"OFFSET (\d+)$", statement)[1])  # type: ignore[index]
        left = [k for k in rows if lower is None or k >= int(lower[1])]
        return left[offset] if offset < len(left) else None

    probes: list[str] = []
    key = Column("k", "bigint", "bigint(20)", is_nullable=False)
    size = estimate * (CHUNK_BYTES // chunk_size)
    table = Table("t", (key,), ("k",), rows_estimate=estimate, data_bytes=size)
    chunks = plan_chunks(render_table(table), ask)
    assert is_tiling(chunks)
    assert all(sum(holds(c, k) for k in rows) <= chunk_rows(table) for c in chunks)
    # The source counts no rows where nearly every key is there.
    if rows and rows[-1] - rows[0] < estimate:
        assert not probes


def test_a_table_without_an_integer_key_is_one_chunk() -> None:
    name = Column("k", "varchar", "varchar(10)", is_nullable=False)
    text = render_table(Table("t", (name,), ("k",)))
    assert plan_chunks(text, lambda statement: 1 / 0) == [Chunk(0)]  # type: ignore[arg-type, return-value]


def test_rows_of_a_chunk_follow_their_size() -> None:
    assert chunk_rows(table_of(0, 0)) == CHUNK_ROWS
    assert chunk_rows(table_of(10, 100 << 20)) == 1
    assert chunk_rows(table_of(1_000_000, 160_000_000)) == CHUNK_BYTES // 160
    assert chunk_rows(table_of(1_000_000, 1_000_000)) == CHUNK_ROWS
