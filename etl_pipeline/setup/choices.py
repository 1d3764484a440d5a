"""The strategy that ``etl discover`` chooses for a table, and why (no I/O).

A column counts as an update stamp only if the server itself sets it on each update. A date of
creation does not move on an edit, and a date that a program sets is forgotten by some edits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etl_pipeline.replicate.chunking import CHUNK_BYTES, chunk_rows
from etl_pipeline.replicate.strategy import APPEND_ONLY, FINGERPRINT, INCREMENTAL
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.setup.opendental import IMPORTANCE, LOGS


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice for one table.

    Attributes:
        key: A sentence on the primary key.
        because: The reason for the strategy.
        settings: Keys of ``tables.yml`` with their values and reasons, in order.
        update_stamps: Columns that the server sets on each update.
    """

    table: str
    key: str
    strategy: str
    because: str
    settings: Mapping[str, tuple[object, str]]
    update_stamps: tuple[str, ...]


def choose(table: Table) -> Choice:
    """Return the choice for *table*, as the source's catalog describes it."""
    update_stamps = [column for column in table.columns if column.is_stamped]
    strategy, column, because = _choose_strategy(table, update_stamps)
    settings: dict[str, tuple[object, str]] = {"extraction_strategy": (strategy, because)}
    if column:
        settings["incremental_column"] = (column, "the server sets it on each update")
    if table.integer_key:
        settings["batch_size"] = _choose_batch(table)
    importance = IMPORTANCE.get(table.name, ("standard", "not among those that most reports need"))
    settings["table_importance"] = importance
    settings["estimated_rows"] = (table.rows_estimate, "the server's own estimate")
    megabytes = round(table.data_bytes / 1e6, 1)
    settings["estimated_size_mb"] = (megabytes, "on the source's disk, without indexes")
    names = tuple(stamp.name for stamp in update_stamps)
    return Choice(table.name, _describe_key(table), strategy, because, settings, names)


def _choose_strategy(table: Table, update_stamps: list[Column]) -> tuple[str, str | None, str]:
    """Return the strategy, its column, and the reason for it (or against ``incremental``)."""
    reasons = []
    for stamp in update_stamps:
        index = _leading_index(table, stamp.name)
        if not table.primary_key:
            reasons.append(f"the server stamps {stamp.name}, but no key says which row is which")
        elif stamp.is_nullable:
            reasons.append(f"the server stamps {stamp.name}, but it can be NULL")
        elif index is None:
            reasons.append(f"the server stamps {stamp.name}, but no index begins with it")
        else:
            reason = f"the server stamps {stamp.name}, and index {index} begins with it"
            return INCREMENTAL.name, stamp.name, reason
    if table.name in LOGS and table.integer_key:
        return APPEND_ONLY.name, None, "a log of OpenDental: rows are added and never edited"
    return FINGERPRINT.name, None, "; ".join(reasons) or "no column that the server stamps"


def _leading_index(table: Table, column: str) -> str | None:
    """Return the name of an index that finds rows by *column*, or None."""
    for index in table.indexes:
        first = index.parts[0]
        if index.kind == "BTREE" and first.column == column and first.prefix_length is None:
            return index.name
    return "PRIMARY" if table.primary_key[:1] == (column,) else None


def _choose_batch(table: Table) -> tuple[int, str]:
    """Return the rows of a chunk and the reason.

    Two digits: a small change of the server's estimate does not change the file.
    """
    rows = chunk_rows(table)
    step = 10 ** max(0, len(str(rows)) - 2)
    rounded = rows // step * step
    if not table.rows_estimate:
        return rounded, "rows of a chunk at most; the table is empty"
    row_bytes = max(1, round(table.data_bytes / table.rows_estimate))
    megabytes = min(rounded * row_bytes, CHUNK_BYTES) / 1e6
    return rounded, f"about {megabytes:.1f} MB, at {row_bytes:,} bytes a row"


def _describe_key(table: Table) -> str:
    if not table.primary_key:
        return "no primary key: read in one piece, and compared as a whole"
    names = ", ".join(table.primary_key)
    if table.integer_key:
        return f"key: {names}"
    return f"key: {names}; it does not begin with an integer, so the table is read in one piece"


def find_kept(
    choices: Mapping[str, Choice], said: Mapping[str, Mapping[str, object]]
) -> Iterator[str]:
    """Yield a sentence for each strategy in ``tables.yml`` that differs from the choice."""
    for table, keys in said.items():
        mine = keys.get("extraction_strategy")
        if table in choices and mine and mine != choices[table].strategy:
            yield (
                f"{table} stays {mine}; discover would choose {choices[table].strategy}: "
                f"{choices[table].because}"
            )
