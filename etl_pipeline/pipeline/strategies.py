"""How each table is to be kept equal, from what tables.yml says and the source declares: pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import timedelta

from etl_pipeline.config.models import TableConfig
from etl_pipeline.errors import SchemaError
from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.schema.catalog import Column, Table

_STAMP_TYPES = ("timestamp", "datetime")


def choose_rules(
    table: Table,
    config: TableConfig,
    *,
    full: bool = False,
    allows_deletes: bool = False,
    by_servers: bool = False,
) -> Rules:
    """The rules of *table*.

    Args:
        table: As the source declares it.
        config: What tables.yml says of it.
        full: Whether both targets are built anew, whatever its strategy.
        allows_deletes: Whether as many rows may go in this run as will.
        by_servers: Whether the servers hash the rows of chunks that may be as they were.

    Raises:
        SchemaError: The strategy does not fit the table.
    """
    strategy = "full_table" if full else config.extraction_strategy or "fingerprint"
    if strategy == "incremental":
        _refuse_stamp(table, config.incremental_column)
    if strategy == "append_only" and table.integer_key is None:
        raise SchemaError(
            "append_only needs a primary key that begins with an integer, to know what is new",
            where=table.name,
            fix=_instead(table.name),
        )
    if config.deletes == "mark" and not table.primary_key:
        raise SchemaError(
            "'deletes: mark' needs a primary key, to know which row is gone",
            where=table.name,
            fix=f"take 'deletes: mark' of {table.name} out of tables.yml",
        )
    return Rules(
        strategy,
        config.incremental_column if strategy == "incremental" else None,
        timedelta(minutes=config.overlap),
        timedelta(days=config.verify_every),
        config.max_delete_fraction,
        allows_deletes,
        config.deletes == "mark",
        config.batch_size,
        by_servers,
    )


def _refuse_stamp(table: Table, name: str | None) -> None:
    """Raise SchemaError where a column cannot say which rows are new."""
    if not table.primary_key:
        raise SchemaError(
            "incremental needs a primary key, to know which row is which",
            where=table.name,
            fix=_instead(table.name),
        )
    stamped = [column.name for column in table.columns if column.is_stamped]
    if name is None:
        raise SchemaError(
            "incremental needs an incremental_column",
            where=table.name,
            fix=_take(table.name, stamped),
        )
    column = next((column for column in table.columns if column.name == name), None)
    if column is None:
        near = difflib.get_close_matches(name, [c.name for c in table.columns], n=1)
        raise SchemaError(
            f"the incremental_column {name} is not at the source",
            where=table.name,
            fix=f"did you mean {near[0]}?" if near else _take(table.name, stamped),
        )
    wrong = _find_wrong(column)
    if wrong:
        raise SchemaError(
            f"the incremental_column {name} {wrong}",
            where=table.name,
            fix=_take(table.name, stamped),
        )


def _find_wrong(column: Column) -> str | None:
    """Why *column* cannot be an incremental_column; None where it can."""
    if column.data_type not in _STAMP_TYPES:
        return f"is of type {column.column_type}, not a timestamp or datetime"
    if column.is_nullable:
        return "can be NULL, and such a row would never be past a watermark"
    return None


def _take(table: str, stamped: list[str]) -> str:
    if not stamped:
        return _instead(table)
    return f"{table}: {{extraction_strategy: incremental, incremental_column: {stamped[0]}}}"


def _instead(table: str) -> str:
    return f"{table}: {{extraction_strategy: fingerprint}}    in tables.yml"


def find_warnings(table: Table, rules: Rules) -> Iterator[str]:
    """Sentences on what is doubtful, or slow, about how *table* is kept equal."""
    if rules.stamp is None:
        return
    if not table.column(rules.stamp).is_stamped:
        yield (
            f"{table.name}: the server does not set {rules.stamp} by itself, so an edit that "
            "does not move it is found by the next full pass only"
        )
    if not any(index.parts[0].column == rules.stamp for index in table.indexes):
        yield (
            f"{table.name}: no index begins with {rules.stamp}, so each run reads the table "
            "through at the source; fingerprint proves more and costs little more"
        )
