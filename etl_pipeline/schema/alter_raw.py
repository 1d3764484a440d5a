"""The statements that make a table of ``raw`` follow its source (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.actual_table import ActualTable
from etl_pipeline.schema.casts import cast_value
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.schema.ddl import add_key, raw_comment
from etl_pipeline.schema.drift import ChangeKind, DriftPolicy, SchemaChange
from etl_pipeline.schema.loaded import LoadedTable
from etl_pipeline.schema.names import (
    DELETED_AT,
    postgres_name,
    quote_postgres,
    quote_text,
)
from etl_pipeline.schema.types import CarriedColumn, Mode


@dataclass(frozen=True, slots=True)
class Retype:
    """A change of the type of a column of ``raw``, and the statements for it.

    Attributes:
        alter: Casts its values; fails where one does not fit.
        empty: Empties it instead, to be filled by the merge.
        keep_marked: Empties it but in rows that are marked as deleted, whose values are cast.
    """

    before: str
    after: str
    alter: str
    empty: str
    keep_marked: str


@dataclass(frozen=True, slots=True)
class RawSteps:
    """The statements by which a table of ``raw`` follows its source, in one transaction.

    Attributes:
        renames: Statements that views follow by themselves.
        retypes: Columns that get another type, by name in ``raw``: views on them are saved before.
        retype_all: One ALTER for all of them: it writes the table once; None where there are none.
        others: Statements for columns that come and go, and for comments.
        unkey: Statements that take the primary key away, where it changes.
        rekey: The statement that makes the new one; None where there is none to make.
        kept: Type of the columns that ``raw`` has and the source has no more.
        of_change: For each change, the statements that carry it out.
    """

    renames: tuple[str, ...] = ()
    retypes: Mapping[str, Retype] = field(default_factory=dict)
    retype_all: str | None = None
    others: tuple[str, ...] = ()
    unkey: tuple[str, ...] = ()
    rekey: str | None = None
    kept: Mapping[str, str] = field(default_factory=dict)
    of_change: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class RawTarget:
    """A table of ``raw``, what it was loaded with, and what it is to be.

    Attributes:
        columns: How the columns of *source* are carried.
    """

    schema: str
    source: Table
    columns: Sequence[CarriedColumn]
    loaded: LoadedTable
    actual: ActualTable

    @property
    def quoted(self) -> str:
        """The table's name in PostgreSQL."""
        return quote_postgres(self.schema, self.source.name)

    @property
    def types(self) -> dict[str, str]:
        """The type in ``raw`` that each column is to have, by name."""
        return {carried.name: carried.postgres_type for carried in self.columns}


def with_raw_changes(
    changes: Sequence[SchemaChange], target: RawTarget, policy: DriftPolicy
) -> list[SchemaChange]:
    """*changes* of the source, and those that only ``raw`` sees.

    ``tables.yml`` may choose another type, or drop columns that were kept until now.
    """
    retyped = {c.subject for c in changes if c.kind is ChangeKind.COLUMN_RETYPED}
    olds = _old_names(changes)
    found = list(changes)
    for carried in target.columns:
        before = target.loaded.types.get(olds.get(carried.name, carried.name))
        if carried.name not in retyped and before not in (None, carried.postgres_type):
            detail = f"{before} → {carried.postgres_type} in raw"
            column = carried.column
            found.append(
                SchemaChange(ChangeKind.COLUMN_RETYPED, column.name, detail, column, column)
            )
    if policy.drops:
        shown = {postgres_name(name) for name in target.types}
        kept = (name for name in target.loaded.kept if name not in shown)
        found += [SchemaChange(ChangeKind.COLUMN_DROPPED, name, "kept until now") for name in kept]
    return found


def alter_raw(changes: Sequence[SchemaChange], target: RawTarget, policy: DriftPolicy) -> RawSteps:
    """The steps that make *target* follow *changes*, as ``with_raw_changes`` gives them."""
    renames, drops = _rename_columns(changes, target), _drop_columns(changes, target, policy)
    adds, types = _add_columns(changes, target), _find_retypes(changes, target)
    comments = _comment(changes, target)
    retype_all = retype_columns(target.quoted, types) if types else None
    retyping = [retype_all] if retype_all else []
    unkey, rekey = _change_key(changes, target)

    def carry_out(change: SchemaChange) -> tuple[str, ...]:
        name = change.subject
        if change.kind in (
            ChangeKind.INDEX_ADDED,
            ChangeKind.INDEX_DROPPED,
            ChangeKind.COLUMNS_REORDERED,
        ):
            return ()
        if change.kind is ChangeKind.KEY_CHANGED:
            return (*unkey, *([rekey] if rekey else []))
        is_retyped = change.kind in (ChangeKind.COLUMN_RETYPED, ChangeKind.COLUMN_ADDED)
        return (
            *(steps[name] for steps in (renames, drops) if name in steps),
            *adds.get(name, ()),
            *(retyping if name and is_retyped and postgres_name(name) in types else ()),
            *([comments[name]] if name in comments else ()),
        )

    return RawSteps(
        tuple(renames.values()),
        {name: _retype(target.quoted, name, *pair) for name, pair in types.items()},
        retype_all,
        (*chain(*adds.values()), *drops.values(), *comments.values()),
        unkey,
        rekey,
        _find_kept(changes, target, drops),
        tuple(carry_out(change) for change in changes),
    )


def _old_names(changes: Sequence[SchemaChange]) -> dict[str, str]:
    """Old name by new name of the columns that were renamed."""
    return {
        change.after.name: change.before.name
        for change in changes
        if change.kind is ChangeKind.COLUMN_RENAMED and change.before and change.after
    }


def _rename_columns(changes: Sequence[SchemaChange], target: RawTarget) -> dict[str | None, str]:
    for new in _old_names(changes):
        if postgres_name(new) in target.loaded.kept:
            raise SchemaError(
                f"{new} is what a column is called now, and one that was dropped earlier in raw",
                where=target.source.name,
                fix=f"ALTER TABLE {target.quoted} DROP COLUMN {quote_postgres(new)}, "
                f"then etl run {target.source.name} --adopt",
            )
    return {
        new: f"ALTER TABLE {target.quoted} "
        f"RENAME COLUMN {quote_postgres(old)} TO {quote_postgres(new)}"
        for new, old in _old_names(changes).items()
    }


def _added(changes: Sequence[SchemaChange]) -> dict[str, Column]:
    return {
        change.after.name: change.after
        for change in changes
        if change.kind is ChangeKind.COLUMN_ADDED and isinstance(change.after, Column)
    }


def _add_columns(changes: Sequence[SchemaChange], target: RawTarget) -> dict[str | None, list[str]]:
    """Columns that ``raw`` has not; one that was kept is there already."""
    added = _added(changes)
    return {
        carried.name: add_column(target.quoted, carried)
        for carried in target.columns
        if carried.name in added and carried.raw_name not in target.loaded.kept
    }


def add_column(table: str, carried: CarriedColumn) -> list[str]:
    """Adds a column; rows that are there get what most of them have at the source.

    PostgreSQL keeps such a value with the table, so no row is written. It is no claim: all rows
    are compared afterwards. The column has no default in the end.
    """
    name = carried.quoted
    add = f"ALTER TABLE {table} ADD COLUMN {name} {carried.postgres_type}"
    default = _old_rows_get(carried)
    if default is None:
        return [add]
    # One ALTER cannot do both: PostgreSQL drops defaults before it adds columns.
    return [f"{add} DEFAULT {default}", f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT"]


def _old_rows_get(carried: CarriedColumn) -> str | None:
    default = carried.column.default
    if default is None or (carried.mode is Mode.DATE and "-00" in default[:10]):
        return None
    return f"{quote_text(default)}::{carried.postgres_type}"


def _is_dropped(change: SchemaChange, policy: DriftPolicy) -> bool:
    """True if ``raw`` loses the column: what ``tables.yml`` excludes must not stay there."""
    is_dropped = change.kind is ChangeKind.COLUMN_DROPPED and policy.drops
    return is_dropped or change.kind is ChangeKind.COLUMN_EXCLUDED


def _drop_columns(
    changes: Sequence[SchemaChange], target: RawTarget, policy: DriftPolicy
) -> dict[str | None, str]:
    # A table that inherits from it keeps the column, and its values.
    only = "ONLY " if target.actual.children else ""
    return {
        change.subject: f"ALTER TABLE {only}{target.quoted} "
        f"DROP COLUMN {quote_postgres(change.subject)}"
        for change in changes
        if change.subject and _is_dropped(change, policy)
    }


def _find_kept(
    changes: Sequence[SchemaChange], target: RawTarget, drops: Mapping[str | None, str]
) -> dict[str, str]:
    """Return what ``raw`` keeps: columns kept before and those that go, less those that return."""
    kept = dict(target.loaded.kept)
    for change in changes:
        name = change.subject or ""
        if change.kind is ChangeKind.COLUMN_DROPPED and name in target.loaded.types:
            kept[postgres_name(name)] = target.loaded.types[name]
    gone = {postgres_name(name) for name in drops if name}
    here = {postgres_name(name) for name in target.types}
    return {name: type_ for name, type_ in kept.items() if name not in gone | here}


def _find_retypes(changes: Sequence[SchemaChange], target: RawTarget) -> dict[str, tuple[str, str]]:
    olds, added = _old_names(changes), _added(changes)
    found = {}
    for name, after in target.types.items():
        shown = postgres_name(name)
        before = target.loaded.types.get(olds.get(name, name))
        if name in added:
            before = target.loaded.kept.get(shown)
        if before not in (None, after):
            found[shown] = before, after
    return found


def _retype(table: str, name: str, before: str, after: str) -> Retype:
    return Retype(
        before,
        after,
        retype_columns(table, {name: (before, after)}),
        empty_column(table, name, after),
        retype_gone(table, name, before, after),
    )


def retype_columns(table: str, retypes: Mapping[str, tuple[str, str]]) -> str:
    """One ALTER for all columns whose type changes: it writes the table once.

    A value that the new type does not take ends it with an error.
    """
    parts = (
        f"ALTER COLUMN {quote_postgres(name)} TYPE {after} "
        f"USING {cast_value(quote_postgres(name), before, after)}"
        for name, (before, after) in retypes.items()
    )
    return f"ALTER TABLE {table}\n  " + ",\n  ".join(parts)


def empty_column(table: str, name: str, after: str) -> str:
    """The same for a column whose values do not fit: it is emptied, to be filled afterwards."""
    return f"ALTER TABLE {table} ALTER COLUMN {quote_postgres(name)} TYPE {after} USING NULL"


def retype_gone(table: str, name: str, before: str, after: str) -> str:
    """The same, but what rows hold that are marked as deleted is cast."""
    value = cast_value(quote_postgres(name), before, after)
    return (
        f"ALTER TABLE {table} ALTER COLUMN {quote_postgres(name)} TYPE {after} "
        f"USING CASE WHEN {quote_postgres(DELETED_AT)} IS NOT NULL THEN {value} END"
    )


def _comment(changes: Sequence[SchemaChange], target: RawTarget) -> dict[str | None, str]:
    """Comments that follow; one that somebody else wrote in ``raw`` stays as it is."""
    found: dict[str | None, str] = {}
    for change in changes:
        after, before = change.after, change.before
        if isinstance(after, Column) and change.subject not in found:
            statement = _comment_column(target, before, after)
            if statement:
                found[change.subject] = statement
        if change.kind is ChangeKind.COMMENT_CHANGED and change.subject is None:
            theirs, ours = target.actual.comment, target.loaded.table.comment
            if (theirs or "") == ours:
                text = quote_text(target.source.comment) if target.source.comment else "NULL"
                found[None] = f"COMMENT ON TABLE {target.quoted} IS {text}"
    return found


def _comment_column(target: RawTarget, before: object, after: Column) -> str | None:
    comment = raw_comment(after)
    if isinstance(before, Column):
        actual = target.actual.columns.get(postgres_name(before.name))
        is_ours = actual is not None and actual.comment == raw_comment(before)
        if not is_ours or comment == raw_comment(before):
            return None
    name = quote_postgres(target.schema, target.source.name, after.name)
    return f"COMMENT ON COLUMN {name} IS {quote_text(comment)}"


def _change_key(
    changes: Sequence[SchemaChange], target: RawTarget
) -> tuple[tuple[str, ...], str | None]:
    """Return the statements that drop the key and make the new one, if it changes."""
    news = {postgres_name(old): postgres_name(new) for new, old in _old_names(changes).items()}
    wanted = tuple(postgres_name(name) for name in target.source.primary_key)
    actual = tuple(news.get(name, name) for name in target.actual.key)
    if actual == wanted:
        return (), None
    place = target.schema, target.source.name
    return change_key(place, actual, target.actual.key_name, wanted)


def change_key(
    target: tuple[str, str], before: Sequence[str], constraint: str | None, after: Sequence[str]
) -> tuple[tuple[str, ...], str | None]:
    """Takes away the key of columns *before*, which may be NULL then; makes that of *after*.

    *target* is the schema and the table.
    """
    table = quote_postgres(*target)
    drop = [f"ALTER TABLE {table} DROP CONSTRAINT {quote_postgres(constraint or '')}"]
    loosen = [
        f"ALTER TABLE {table} ALTER COLUMN {quote_postgres(column)} DROP NOT NULL"
        for column in before
        if column not in after
    ]
    make = add_key(table, target[1], after) if after else None
    return (*(drop if constraint else []), *loosen), make
