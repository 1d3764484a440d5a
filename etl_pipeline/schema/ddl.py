"""The statements that make the two targets, as values: nothing here touches a server."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from etl_pipeline.schema.catalog import Column, Index, IndexPart, Table
from etl_pipeline.schema.names import (
    LOADED_AT,
    incoming_name,
    quote_mysql,
    quote_mysql_text,
    quote_postgres,
    quote_temporary,
    quote_text,
    raw_key_name,
    replaced_name,
)
from etl_pipeline.schema.types import CarriedColumn, describe_stand_in

REPLICA_MARK = "[made by etl_pipeline]"
"""Ends the comment of every replica: a table without it was made by somebody else."""

_COMMENT_CHARACTERS = 2048
"""The longest comment of a table in MySQL."""


@dataclass(frozen=True, slots=True)
class ReplicaDdl:
    """Makes a replica: *create* before the rows come, *indexes* after.

    Attributes:
        mapped: Sentences on what the replication server does not know and was replaced.
        columns: The part of *create* that declares each column, by its name.
    """

    create: str
    indexes: tuple[str, ...]
    mapped: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


def create_replica(table: Table, *, name: str, collations: Collection[str]) -> ReplicaDdl:
    """DDL of the replica of *table* under *name*.

    The replica is InnoDB and has the columns, types, key, indexes and comments of the source. It
    leaves out what would change rows as they arrive: AUTO_INCREMENT (a key 0 would be numbered
    anew), ON UPDATE, defaults, generation expressions, foreign keys and triggers.

    Args:
        table: The source's table.
        name: What the replica is called while it is filled.
        collations: Names that the replication server knows; for one it does not know it gets the
            one that tells most values apart, so that a unique key still holds.
    """
    mapped = []
    declared = {}
    for column in table.columns:
        collation = replica_collation(column, collations)
        if collation not in (column.collation, _current_name(column.collation)):
            mapped.append(
                f"{table.name}.{column.name}: collation {column.collation} is unknown to the "
                f"replication server; {collation} is used"
            )
        if stand_in := describe_stand_in(column):
            mapped.append(f"{table.name}.{column.name}: {stand_in}")
        declared[column.name] = replica_column(column, collation)
    lines = list(declared.values())
    if table.primary_key:
        lengths = table.key_prefixes or (None,) * len(table.primary_key)
        parts = map(IndexPart, table.primary_key, lengths)
        key = ", ".join(_index_part(part, whole=False) for part in parts)
        lines.append(f"PRIMARY KEY ({key})")
    body = ",\n  ".join(lines)
    create = (
        f"CREATE TABLE {quote_mysql(name)} (\n  {body}\n) "
        "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 "
        f"COMMENT={quote_mysql_text(replica_comment(table))}"
    )
    indexes = tuple(add_indexes(table.indexes, name))
    return ReplicaDdl(create, indexes, tuple(mapped), declared)


def replica_comment(table: Table) -> str:
    """The comment of *table*'s replica: the source's, as far as there is room, and our mark."""
    room = _COMMENT_CHARACTERS - len(REPLICA_MARK) - 1
    return f"{(table.comment or '')[:room]} {REPLICA_MARK}".lstrip()


def swap_replica(table: str, *, exists: bool) -> str:
    """The one RENAME by which the incoming table becomes the replica; the old one is put aside."""
    target, new, old = (quote_mysql(n) for n in (table, incoming_name(table), replaced_name(table)))
    if exists:
        return f"RENAME TABLE {target} TO {old}, {new} TO {target}"
    return f"RENAME TABLE {new} TO {target}"


def add_indexes(indexes: Sequence[Index], name: str) -> list[str]:
    """One ALTER for all indexes, but one for each FULLTEXT index: InnoDB builds one at a time."""
    plain = [_index(index) for index in indexes if index.kind != "FULLTEXT"]
    groups = [plain] if plain else []
    groups += [[_index(index)] for index in indexes if index.kind == "FULLTEXT"]
    target = quote_mysql(name)
    return [
        f"ALTER TABLE {target}\n  " + ",\n  ".join(f"ADD {index}" for index in group)
        for group in groups
    ]


def replica_collation(column: Column, collations: Collection[str]) -> str | None:
    """The column's collation, or the finest one that the replication server has instead.

    MySQL's ``…_0900_…`` do not pad, so ``'a'`` and ``'a '`` may be two keys; where a character
    set is unknown too (MariaDB has no gb18030), utf8mb4 holds its characters.
    """
    if column.collation is None or column.collation in collations:
        return column.collation
    if _current_name(column.collation) in collations:
        return _current_name(column.collation)
    for charset in (column.charset, "utf8mb4"):
        for suffix in ("nopad_bin", "0900_bin", "bin"):
            if f"{charset}_{suffix}" in collations:
                return f"{charset}_{suffix}"
    return "utf8mb4_bin"


def _current_name(collation: str | None) -> str | None:
    """Return the newer name of *collation*: ``utf8`` became ``utf8mb3``."""
    if collation and collation.startswith("utf8_"):
        return collation.replace("utf8_", "utf8mb3_", 1)
    return collation


def replica_column(column: Column, collation: str | None) -> str:
    parts = [quote_mysql(column.name), _replica_type(column)]
    if collation and not column.stand_in:
        # The name of a collation begins with its character set's.
        parts.append(f"CHARACTER SET {collation.split('_')[0]} COLLATE {collation}")
    parts.append("NULL" if column.is_nullable else "NOT NULL")
    if column.data_type == "timestamp" and not column.is_nullable:
        # Without a default, older servers give the first such column ON UPDATE of their own.
        parts.append("DEFAULT '0000-00-00 00:00:00'")
    if column.comment:
        parts.append(f"COMMENT {quote_mysql_text(column.comment)}")
    return " ".join(parts)


def _replica_type(column: Column) -> str:
    """The source's type, but for two that would not take the text of every value back.

    MySQL's JSON can hold a DECIMAL, 1.10, of which parsing its text makes a DOUBLE, 1.1: the
    replica has LONGTEXT, which is what MariaDB's JSON is.

    An ENUM gets the empty string as its last member, if it has none: a row can hold an ENUM's error
    value, which reads as the empty string. No server takes that value back without a warning, and
    a warning must stay the sign of a row that was altered.
    """
    if column.stand_in:
        return column.stand_in
    declared = column.column_type
    if column.data_type == "json":
        return "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    if column.data_type != "enum":
        return declared
    members = re.findall(r"'((?:[^']|'')*)'", declared)
    return declared if "" in members else f"{declared[:-1]},'')"


def _index(index: Index) -> str:
    # A unique index would refuse rows that are right: they are read at different instants, and a
    # value may have moved from one row to another meanwhile. The source keeps them unique.
    kind = {"FULLTEXT": "FULLTEXT ", "SPATIAL": "SPATIAL "}.get(index.kind, "")
    # A spatial index reports a prefix that is none of the user's.
    whole = index.kind == "SPATIAL"
    parts = ", ".join(_index_part(part, whole=whole) for part in index.parts)
    return f"{kind}KEY {quote_mysql(index.name)} ({parts})"


def _index_part(part: IndexPart, *, whole: bool) -> str:
    length = f"({part.prefix_length})" if part.prefix_length and not whole else ""
    return quote_mysql(part.column) + length


@dataclass(frozen=True, slots=True)
class RawDdl:
    """Makes a table of ``raw``: *create* before the rows come, *key* and *comments* after.

    Attributes:
        key: Builds the primary key, which is faster over rows that are there; None without one.
    """

    create: str
    key: str | None
    comments: tuple[str, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """All of them, in order."""
        return (self.create, *([self.key] if self.key else []), *self.comments)


def create_raw(schema: str, table: Table, columns: Sequence[CarriedColumn]) -> RawDdl:
    """Return the DDL of a table of ``raw`` that carries *columns* of *table*.

    Every column is nullable but for the key's, so that a source that loosens a column needs no
    change here.
    """
    lines = [
        f"{c.quoted} {c.postgres_type}{' NOT NULL' if c.name in table.primary_key else ''}"
        for c in columns
    ]
    lines.append(f"{quote_postgres(LOADED_AT)} timestamp with time zone NOT NULL DEFAULT now()")
    body = ",\n  ".join(lines)
    target = quote_postgres(schema, table.name)
    return RawDdl(
        f"CREATE TABLE {target} (\n  {body}\n)",
        add_key(target, table.name, table.primary_key) if table.primary_key else None,
        tuple(_comment_raw(schema, table, columns)),
    )


def create_incoming(name: str, columns: Sequence[CarriedColumn]) -> str:
    """DDL of the temporary table of ``raw``'s types; it is gone when the transaction ends."""
    body = ",\n  ".join(f"{c.quoted} {c.postgres_type}" for c in columns)
    return f"CREATE TEMPORARY TABLE {quote_temporary(name)} (\n  {body}\n) ON COMMIT DROP"


def add_key(target: str, table: str, columns: Sequence[str]) -> str:
    """Return the statement that makes *columns* the primary key of *target*.

    The key has the name that ``raw_key_name`` gives for *table*, by which errors know it.

    Args:
        target: The table of PostgreSQL, quoted: in ``raw``, or a temporary one beside it.
        table: The source's name.
        columns: Not empty.
    """
    key = ", ".join(quote_postgres(name) for name in columns)
    name = quote_postgres(raw_key_name(table))
    return f"ALTER TABLE {target} ADD CONSTRAINT {name} PRIMARY KEY ({key})"


def _comment_raw(schema: str, table: Table, columns: Sequence[CarriedColumn]) -> list[str]:
    """Statements that carry the comments over; a column's names its type at the source as well."""
    target = quote_postgres(schema, table.name)
    statements = []
    if table.comment:
        statements.append(f"COMMENT ON TABLE {target} IS {quote_text(table.comment)}")
    for carried in columns:
        name = f"{target}.{carried.quoted}"
        comment = raw_comment(carried.column)
        statements.append(f"COMMENT ON COLUMN {name} IS {quote_text(comment)}")
    return statements


def raw_comment(column: Column) -> str:
    """Return a column's comment in ``raw``: the source's comment, and its type in brackets."""
    head = f"{column.comment} " if column.comment else ""
    return f"{head}[{column.column_type}]"
