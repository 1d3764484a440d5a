"""Changes between the schema that was last loaded and the source's (no I/O).

Columns and indexes are compared by name. That columns of the same names stand in another order is
a change of its own: two that have exchanged their names look so, too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.catalog import INTEGER_TYPES, Column, Index, IndexPart, Table


class ChangeKind(StrEnum):
    """Kinds of schema changes, as they are recorded."""

    COLUMN_ADDED = "column_added"
    COLUMN_DROPPED = "column_dropped"
    COLUMN_EXCLUDED = "column_excluded"
    COLUMN_RENAMED = "column_renamed"
    COLUMN_LOOSENED = "column_loosened"
    COLUMN_TIGHTENED = "column_tightened"
    COLUMN_LENGTHENED = "column_lengthened"
    COLUMN_RETYPED = "column_retyped"
    COLUMNS_REORDERED = "columns_reordered"
    COLLATION_CHANGED = "collation_changed"
    KEY_CHANGED = "key_changed"
    INDEX_ADDED = "index_added"
    INDEX_DROPPED = "index_dropped"
    COMMENT_CHANGED = "comment_changed"
    TABLE_ADDED = "table_added"
    TABLE_DROPPED = "table_dropped"
    TABLE_ADOPTED = "table_adopted"


VOIDING = frozenset(
    {
        ChangeKind.COLUMN_ADDED,
        ChangeKind.COLUMN_TIGHTENED,
        ChangeKind.COLUMN_RETYPED,
        ChangeKind.COLUMNS_REORDERED,
    }
)
"""Changes after which a replica that was altered may hold other values than its digests say."""


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """Policy for changes of one table's schema.

    Attributes:
        is_frozen: Whether every change is refused.
        drops: Whether a column that is dropped at the source is dropped in ``raw`` too.
        renamed: Old name by new name, as ``tables.yml`` says.
        excluded: Columns that ``tables.yml`` leaves out.
        accepts: Whether changes are followed in any case, and what only ``raw`` has may be lost.
        adopts: Whether a table of ``raw`` that is not as we made it is taken over.
    """

    is_frozen: bool = False
    drops: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    accepts: bool = False
    adopts: bool = False

    @property
    def refuses(self) -> bool:
        """True if changes are refused."""
        return self.is_frozen and not self.accepts


FOLLOW = DriftPolicy()


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change of a table.

    Attributes:
        subject: The column or index, as the source calls it now; None for the table itself.
        detail: What was, and what is, for people.
        before: The column or index that was; None where there was none.
        after: The column or index that is; None where there is none.
    """

    kind: ChangeKind
    subject: str | None
    detail: str
    before: Column | Index | None = None
    after: Column | Index | None = None


def find_changes(loaded: Table, source: Table, policy: DriftPolicy = FOLLOW) -> list[SchemaChange]:
    """Return the changes that lead from *loaded* to *source*.

    Raises:
        SchemaError: ``renamed_from`` in ``tables.yml`` names a column that was never loaded, or
            one that the source still has; or a column is not seen any more in a table of which
            the user may not see every column.
    """
    old_names = {
        c.name: policy.renamed.get(c.name, c.name)
        for c in source.columns
        if c.name not in _names(loaded)
    }
    _refuse_renames(loaded, source, old_names)
    olds = {column.name: column for column in loaded.columns}
    changes: list[SchemaChange] = []
    for column in source.columns:
        before = olds.pop(old_names.get(column.name, column.name), None)
        if before is None:
            changes.append(
                SchemaChange(ChangeKind.COLUMN_ADDED, column.name, _declared(column), None, column)
            )
        else:
            changes += _compare_columns(before, column)
    _refuse_hidden(source, [name for name in olds if name not in policy.excluded], policy)
    for column in olds.values():
        is_excluded = column.name in policy.excluded
        kind = ChangeKind.COLUMN_EXCLUDED if is_excluded else ChangeKind.COLUMN_DROPPED
        changes.append(SchemaChange(kind, column.name, _declared(column), column, None))
    new_names = {old: new for new, old in old_names.items() if old != new}
    changes += _compare_order(loaded, source, new_names)
    changes += _compare_keys(_key(loaded, new_names), _key(source, {}))
    changes += _compare_indexes(loaded, source, new_names)
    if loaded.comment != source.comment:
        changes.append(SchemaChange(ChangeKind.COMMENT_CHANGED, None, "of the table"))
    return changes


def _names(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.columns)


def _refuse_hidden(source: Table, lost: Sequence[str], policy: DriftPolicy) -> None:
    """Columns that the user may not see are not columns that the source has dropped."""
    if not (source.flaw and lost) or policy.accepts:
        return
    raise SchemaError(
        f"not seen any more: {', '.join(lost)}; the user may not read all columns of the table, "
        "so dropped cannot be told from hidden",
        where=source.name,
        fix=f"{source.flaw.fix}; if they are dropped: etl run {source.name} --accept-drift",
    )


def _refuse_renames(loaded: Table, source: Table, old_names: Mapping[str, str]) -> None:
    for new, old in old_names.items():
        if new == old:
            continue
        where = f"tables.yml: {source.name}"
        if old in _names(source):
            raise SchemaError(
                f"column {new}: renamed_from names {old}, which the source still has",
                where=where,
                fix=f"take renamed_from of {new} out of tables.yml",
            )
        if old not in _names(loaded):
            near = difflib.get_close_matches(old, _names(loaded) - _names(source), n=1)
            raise SchemaError(
                f"column {new}: renamed_from names {old}, which was never loaded",
                where=where,
                fix=f"did you mean {near[0]}?"
                if near
                else f"take renamed_from of {new} out of tables.yml",
            )


def _compare_columns(before: Column, after: Column) -> Iterator[SchemaChange]:
    def change(kind: ChangeKind, detail: str) -> SchemaChange:
        return SchemaChange(kind, after.name, detail, before, after)

    if before.name != after.name:
        yield change(ChangeKind.COLUMN_RENAMED, f"was {before.name}")
    if _type(before) != _type(after):
        is_longer = _is_longer_text(before, after)
        kind = ChangeKind.COLUMN_LENGTHENED if is_longer else ChangeKind.COLUMN_RETYPED
        yield change(kind, f"{_declared(before)} → {_declared(after)}")
    if before.is_nullable != after.is_nullable:
        kind = ChangeKind.COLUMN_LOOSENED if after.is_nullable else ChangeKind.COLUMN_TIGHTENED
        yield change(kind, "NOT NULL → NULL" if after.is_nullable else "NULL → NOT NULL")
    if before.collation and after.collation and before.collation != after.collation:
        yield change(ChangeKind.COLLATION_CHANGED, f"{before.collation} → {after.collation}")
    if before.comment != after.comment:
        yield change(ChangeKind.COMMENT_CHANGED, "of the column")


def _type(column: Column) -> tuple[str, bool, str]:
    """Return what defines the type, at the source and in the replica.

    The display width of an integer, which MySQL 8 has no more, does not; with ZEROFILL it does:
    the server pads what it sends.
    """
    declared = column.column_type
    if column.data_type in INTEGER_TYPES | {"year"} and "zerofill" not in declared:
        declared = re.sub(r"\(\d+\)", "", declared)
    return declared, column.is_json, column.stand_in


def _declared(column: Column) -> str:
    return f"{column.column_type} (JSON)" if column.is_json else column.column_type


_FAMILIES = (
    ("char", "varchar", "tinytext", "text", "mediumtext", "longtext"),
    ("varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
)
_NAMED = 8  # columns that are listed at most


def _is_longer_text(before: Column, after: Column) -> bool:
    """True if every value of *before* is one of *after*, which only has more room."""
    if before.is_json or after.is_json:
        return False
    for family in _FAMILIES:
        if before.data_type in family and after.data_type in family:
            old, new = family.index(before.data_type), family.index(after.data_type)
            if "(" in after.column_type:
                return old <= new and _length(before) <= _length(after)
            return old < new and (not after.data_type.startswith("tiny") or _length(before) < 64)
    return False


def _length(column: Column) -> int:
    """Characters in brackets; those of TEXT and its like are more than any bracket says."""
    found = re.search(r"\((\d+)\)", column.column_type)
    return int(found[1]) if found else 1 << 32


def _key(table: Table, new_names: Mapping[str, str]) -> list[IndexPart]:
    lengths = table.key_prefixes or (None,) * len(table.primary_key)
    parts = map(IndexPart, table.primary_key, lengths)
    return [replace(part, column=new_names.get(part.column, part.column)) for part in parts]


def _compare_order(
    loaded: Table, source: Table, new_names: Mapping[str, str]
) -> Iterator[SchemaChange]:
    """True if the columns that both have stand in another order."""
    before = [new_names.get(column.name, column.name) for column in loaded.columns]
    before = [name for name in before if name in _names(source)]
    after = [column.name for column in source.columns if column.name in before]
    moved = [place for place, name in enumerate(after) if name != before[place]]
    if moved:
        span = slice(moved[0], moved[-1] + 1)
        detail = f"{_in_short(before[span])} → {_in_short(after[span])}"
        yield SchemaChange(ChangeKind.COLUMNS_REORDERED, None, detail)


def _in_short(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _compare_keys(before: list[IndexPart], after: list[IndexPart]) -> Iterator[SchemaChange]:
    if before != after:
        yield SchemaChange(ChangeKind.KEY_CHANGED, None, f"{_shown(before)} → {_shown(after)}")


def _shown(parts: Sequence[IndexPart]) -> str:
    return f"({', '.join(part.column for part in parts)})" if parts else "none"


def _compare_indexes(
    loaded: Table, source: Table, new_names: Mapping[str, str]
) -> Iterator[SchemaChange]:
    """Indexes that came and went; one that changed did both. Whether one is unique is not carried.

    MySQL takes a column that is dropped out of the indexes by itself.
    """
    olds = {index.name: _renamed(index, new_names) for index in loaded.indexes}
    news = {index.name: index for index in source.indexes}
    for name, index in olds.items():
        if name not in news or not _is_alike(index, news[name]):
            yield SchemaChange(ChangeKind.INDEX_DROPPED, name, _shown(index.parts), index, None)
    for name, index in news.items():
        if name not in olds or not _is_alike(olds[name], index):
            yield SchemaChange(ChangeKind.INDEX_ADDED, name, _shown(index.parts), None, index)


def _renamed(index: Index, new_names: Mapping[str, str]) -> Index:
    parts = (replace(p, column=new_names.get(p.column, p.column)) for p in index.parts)
    return replace(index, parts=tuple(parts))


def _is_alike(first: Index, other: Index) -> bool:
    return (first.parts, first.kind) == (other.parts, other.kind)
