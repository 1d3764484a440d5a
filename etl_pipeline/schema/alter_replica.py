"""The statements that make a replica follow its source (no I/O)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from etl_pipeline.schema.catalog import INTEGER_TYPES, Column, Index, Table
from etl_pipeline.schema.ddl import (
    add_indexes,
    create_replica,
    replica_collation,
    replica_column,
    replica_comment,
)
from etl_pipeline.schema.drift import VOIDING, ChangeKind, SchemaChange
from etl_pipeline.schema.names import incoming_name, quote_mysql, quote_mysql_text, replaced_name


@dataclass(frozen=True, slots=True)
class ReplicaSteps:
    """The statements by which a replica follows its source.

    Attributes:
        is_rebuilt: Whether it is built beside the old one and swapped in, rather than altered.
        statements: In their order; after any of them the replica is a table of its own kind.
        of_change: For each change, the statements that carry it out.
        is_void: Whether its digests say nothing any more.
    """

    is_rebuilt: bool
    statements: tuple[str, ...]
    of_change: tuple[tuple[str, ...], ...]
    is_void: bool


def alter_replica(
    changes: Sequence[SchemaChange],
    source: Table,
    *,
    name: str,
    collations: Collection[str],
    lacking: Collection[str] = (),
    refused: Collection[str] = (),
    to_drop: Collection[str] = (),
) -> ReplicaSteps:
    """The steps that make the replica, called *name*, follow *changes* that lead to *source*.

    Columns are altered in one statement, which copies a large table once at most. A change of the
    key or of a character set is not altered in place: which rows are one and the same may be
    another question then.

    Args:
        changes: As ``find_changes`` gives them.
        source: The source's table as it is now.
        name: What is altered; another table than the replica where the steps are tried.
        collations: Names that the replication server knows.
        lacking: Indexes that the replica does not have, so that none of them is dropped.
        refused: Indexes that its server does not take, so that none of them is added.
        to_drop: Indexes that it has, and that its server does not take any more: they are dropped.
    """
    idle = {
        change
        for change in changes
        if (change.kind is ChangeKind.INDEX_DROPPED and change.subject in lacking)
        or (change.kind is ChangeKind.INDEX_ADDED and change.subject in refused)
    }
    every, changes = changes, [change for change in changes if change not in idle]
    if _is_rebuilt(changes, source):
        built = _rebuild(source, name, collations)
        return ReplicaSteps(True, built, (built,) * len(every), is_void=True)
    clauses = [(0, f"DROP KEY {quote_mysql(index)}") for index in sorted(to_drop)]
    clauses += [clause for change in changes if (clause := _clause(change, collations))]
    distinct = sorted(dict.fromkeys(clauses), key=lambda clause: clause[0])
    if any(c.kind is ChangeKind.COMMENT_CHANGED and c.subject is None for c in changes):
        distinct.append((4, f"COMMENT={quote_mysql_text(replica_comment(source))}"))
    target = quote_mysql(name)
    altering = f"ALTER TABLE {target}\n  " + ",\n  ".join(clause for _, clause in distinct)
    added = [
        c.after for c in changes if c.kind is ChangeKind.INDEX_ADDED and isinstance(c.after, Index)
    ]
    indexing = add_indexes(added, name)
    plain = _drop_defaults(changes, target)
    statements = ([altering] if distinct else []) + plain + indexing
    return ReplicaSteps(
        False,
        tuple(statements),
        tuple(
            () if change in idle else _of_change(change, altering, plain, indexing)
            for change in every
        ),
        is_void=any(change.kind in VOIDING for change in changes),
    )


def _is_rebuilt(changes: Sequence[SchemaChange], source: Table) -> bool:
    kinds = {change.kind for change in changes}
    if kinds & {ChangeKind.KEY_CHANGED, ChangeKind.COLLATION_CHANGED}:
        return True
    if not source.primary_key and kinds & VOIDING:
        return True  # rows without a key are not compared one by one
    return any(
        change.kind is ChangeKind.COLUMN_RETYPED
        and change.subject in source.primary_key
        and not _are_integers(change)
        for change in changes
    )


def _are_integers(change: SchemaChange) -> bool:
    both = (change.before, change.after)
    return all(isinstance(each, Column) and each.data_type in INTEGER_TYPES for each in both)


def _rebuild(source: Table, name: str, collations: Collection[str]) -> tuple[str, ...]:
    incoming, replaced = incoming_name(name), replaced_name(name)
    ddl = create_replica(source, name=incoming, collations=collations)
    swap = (
        f"RENAME TABLE {quote_mysql(name)} TO {quote_mysql(replaced)}, "
        f"{quote_mysql(incoming)} TO {quote_mysql(name)}"
    )
    return (ddl.create, *ddl.indexes, swap, f"DROP TABLE {quote_mysql(replaced)}")


def _clause(change: SchemaChange, collations: Collection[str]) -> tuple[int, str] | None:
    """The part of the ALTER for *change*, after the number that it is sorted by."""
    if change.kind is ChangeKind.INDEX_DROPPED:
        return 0, f"DROP KEY {quote_mysql(change.subject or '')}"
    before, after = change.before, change.after
    if change.kind in (ChangeKind.COLUMN_DROPPED, ChangeKind.COLUMN_EXCLUDED):
        return 1, f"DROP COLUMN {quote_mysql(change.subject or '')}"
    if not isinstance(after, Column):
        return None
    declared = replica_column(after, replica_collation(after, collations))
    if not isinstance(before, Column):
        default = old_rows_get(after)
        return 3, f"ADD COLUMN {declared}{default and f' DEFAULT {default}'}"
    return 2, f"CHANGE COLUMN {quote_mysql(before.name)} {declared}"


def old_rows_get(column: Column) -> str:
    """Return the value of a new *column* in existing rows: a literal, or nothing.

    It is what most of them have at the source, where the same default filled them; so they need
    not be written again. It is no claim: all of them are compared.
    """
    return "" if column.default is None else quote_mysql_text(column.default)


def _drop_defaults(changes: Sequence[SchemaChange], target: str) -> list[str]:
    """A replica has no defaults: nothing may fill what is not sent."""
    names = [
        change.after.name
        for change in changes
        if change.kind is ChangeKind.COLUMN_ADDED
        and isinstance(change.after, Column)
        and old_rows_get(change.after)
    ]
    parts = ", ".join(f"ALTER COLUMN {quote_mysql(name)} DROP DEFAULT" for name in names)
    return [f"ALTER TABLE {target} {parts}"] if names else []


def _of_change(
    change: SchemaChange, altering: str, plain: Sequence[str], indexing: Sequence[str]
) -> tuple[str, ...]:
    if change.kind is ChangeKind.COLUMNS_REORDERED:
        return ()
    if change.kind is ChangeKind.COLUMN_ADDED:
        name = quote_mysql(change.subject or "")
        return (altering, *(step for step in plain if f"ALTER COLUMN {name} " in step))
    if change.kind is not ChangeKind.INDEX_ADDED:
        return (altering,)
    kept = quote_mysql(change.subject or "")
    return tuple(step for step in indexing if f"KEY {kept} (" in step)
