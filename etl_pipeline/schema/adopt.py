"""Take over a table of ``raw`` that we did not make, or that others altered (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl_pipeline.schema.actual_table import LOADED_AT_TYPE, ActualTable
from etl_pipeline.schema.alter_raw import add_column, change_key
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.drift import ChangeKind, SchemaChange
from etl_pipeline.schema.names import LOADED_AT, postgres_name, quote_postgres
from etl_pipeline.schema.types import CarriedColumn

REPLACED_SUFFIX = "_replaced"


@dataclass(frozen=True, slots=True)
class Adoption:
    """The statements by which a table is adopted.

    Attributes:
        misfits: Why it cannot be used as it is; then it is renamed, and a new one made.
        statements: For one that fits, what makes it ours.
        rekey: The statement that makes its primary key; None where it has it already.
        kept: Type of the columns that it has and the source has not.
        change: What is recorded of it.
    """

    misfits: tuple[str, ...]
    statements: tuple[str, ...]
    rekey: str | None
    kept: Mapping[str, str]
    change: SchemaChange


def adopt_table(
    source: Table, columns: Sequence[CarriedColumn], actual: ActualTable, *, schema: str
) -> Adoption:
    """Return the steps that make *actual* the table that carries *columns* of *source*."""
    misfits = tuple(sorted(_find_misfits(columns, actual)))
    target = quote_postgres(schema, source.name)
    if misfits:
        kept_as = f"{schema}.{source.name}{REPLACED_SUFFIX}"
        change = _adopted(f"loaded beside it, which stays as {kept_as}: {'; '.join(misfits)}")
        return Adoption(misfits, (rename_replaced(source.name, schema),), None, {}, change)
    expected = {carried.raw_name: carried for carried in columns}
    key = tuple(postgres_name(name) for name in source.primary_key)
    missing = (c for name, c in expected.items() if name not in actual.columns)
    adds = [statement for carried in missing for statement in add_column(target, carried)]
    if LOADED_AT not in actual.columns:
        adds.append(
            f"ALTER TABLE {target} ADD COLUMN {quote_postgres(LOADED_AT)} {LOADED_AT_TYPE} "
            "NOT NULL DEFAULT now()"
        )
    unkey: tuple[str, ...] = ()
    rekey = None
    if actual.key != key:
        unkey, rekey = change_key((schema, source.name), actual.key, actual.key_name, key)
    loosen = [
        f"ALTER TABLE {target} ALTER COLUMN {quote_postgres(name)} DROP NOT NULL"
        for name, column in actual.columns.items()
        if not column.is_nullable and name not in (*key, *actual.key, LOADED_AT)
    ]
    kept = {
        name: column.type
        for name, column in actual.columns.items()
        if name not in expected and name != LOADED_AT
    }
    change = _adopted("taken over as it is")
    return Adoption((), (*unkey, *loosen, *adds), rekey, kept, change)


def _adopted(detail: str) -> SchemaChange:
    return SchemaChange(ChangeKind.TABLE_ADOPTED, None, detail)


def _find_misfits(columns: Sequence[CarriedColumn], actual: ActualTable) -> list[str]:
    expected = {c.raw_name: c.postgres_type for c in columns}
    found = []
    for name, type_ in {**expected, LOADED_AT: LOADED_AT_TYPE}.items():
        column = actual.columns.get(name)
        if column is None:
            continue
        if column.type != type_:
            found.append(f"{name} is {column.type}, expected {type_}")
        elif column.is_computed:
            found.append(f"{name} is computed")
    return found


def rename_replaced(table: str, schema: str) -> str:
    """Lets the table go out of the way; nothing of it is deleted."""
    kept = quote_postgres(table + REPLACED_SUFFIX)
    return f"ALTER TABLE {quote_postgres(schema, table)} RENAME TO {kept}"
