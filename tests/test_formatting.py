"""Counts, and cells in columns."""

from __future__ import annotations

from etl_pipeline.formatting import align, align_within, count_of


def test_a_count_agrees_with_its_noun() -> None:
    assert [count_of(n, "row") for n in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [count_of(n, "row is", "rows are") for n in (1, 2)] == ["1 row is", "2 rows are"]


def test_a_cell_beyond_the_widest_moves_what_follows() -> None:
    rows = [("key", "a", "x"), ("k", "abcdef", "y")]
    assert align(rows, widest={1: 3}) == ["key  a    x", "k    abcdef  y"]


def test_columns_that_can_be_spared_go_in_the_order_that_is_named() -> None:
    rows = [("table", "rows", "read"), ("patient", "1", "now")]
    assert align_within(None, rows, [1], [2, 1])[0] == "table    rows  read"
    assert align_within(16, rows, [1], [2, 1])[0] == "table    rows"
    assert align_within(10, rows, [1], [2, 1])[0] == "table"
    assert align_within(1, rows, [1], [2, 1])[0] == "table", "what is needed stays"
