"""Comparison of a table of ``raw`` as it is with the expected one (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl_pipeline.schema.names import LOADED_AT

LOADED_AT_TYPE = "timestamp with time zone"


@dataclass(frozen=True, slots=True)
class ActualColumn:
    """A column of ``raw`` as it is.

    Attributes:
        is_computed: Whether no row may say anything of it.
        number: PostgreSQL's own (``attnum``): a column that is made anew has another.
    """

    type: str
    is_nullable: bool = True
    is_computed: bool = False
    comment: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class ActualTable:
    """A table of ``raw`` as it is.

    Attributes:
        columns: By name, ours included.
        key: Columns of the primary key, in its order.
        key_name: The constraint's name; None without a primary key.
        number: PostgreSQL's own (``oid``): a table that is made anew has another.
        is_partitioned: Whether its rows are in its partitions.
        children: Tables of others that inherit from it, with their schemas.
    """

    columns: Mapping[str, ActualColumn]
    key: tuple[str, ...] = ()
    key_name: str | None = None
    comment: str | None = None
    number: int = 0
    is_partitioned: bool = False
    children: tuple[str, ...] = ()


def find_differences(
    actual: ActualTable, expected: Mapping[str, str], key: Sequence[str]
) -> list[str]:
    """Return how *actual* differs from a table of the columns *expected* and of *key*.

    Args:
        actual: The table.
        expected: Type by name, without the columns that are ours.
        key: Columns of the primary key.
    """
    expected = {**expected, LOADED_AT: LOADED_AT_TYPE}
    existing = actual.columns
    found = [f"{name} is missing" for name in expected.keys() - existing.keys()]
    found += [f"{name} is not at the source" for name in existing.keys() - expected.keys()]
    found += [
        f"{name} is {existing[name].type}, expected {expected[name]}"
        for name in expected.keys() & existing.keys()
        if existing[name].type != expected[name]
    ]
    if list(actual.key) != list(key):
        now, then = ", ".join(key) or "none", ", ".join(actual.key) or "none"
        found.append(f"the primary key is {then}, expected {now}")
    return sorted(found)
