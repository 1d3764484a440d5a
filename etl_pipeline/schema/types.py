"""The one table of types: what each MySQL type becomes, and how its values travel.

``TYPES`` maps MySQL's types to PostgreSQL's, ``map_column`` maps a column, and ``fit_replica``
a table for a replication server of the other product.

``text`` in ``raw`` carries no length, so that a column which grows at the source needs no change.
A type that is not in the table is refused by name; nothing is guessed from the data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.catalog import Column, Index, IndexPart, Table
from etl_pipeline.schema.names import postgres_name, quote_mysql, quote_postgres


class Mode(IntEnum):
    """The kernel's treatment of a column's bytes; the numbers are the compiled kernel's."""

    PLAIN = 0
    """Digits and signs: nothing in it needs an escape."""
    TEXT = 1
    """Escaped; a NUL character is removed where PostgreSQL is the sink, and counted."""
    DATE = 2
    """Plain; a zero date or a zero part becomes NULL where PostgreSQL is the sink, and counted."""
    BINARY = 3
    """Hexadecimal; with PostgreSQL's prefix where PostgreSQL is the sink."""
    GEOMETRY = 4
    """Like BINARY; without the four bytes of the SRID where PostgreSQL is the sink: WKB."""
    REAL = 5
    """Plain; a negative zero becomes 0, counted: MariaDB stores no other."""


@dataclass(frozen=True, slots=True)
class TypeRule:
    """A MySQL type and its carriage to the replica and to ``raw``.

    Attributes:
        postgres: Type in ``raw``, as PostgreSQL itself writes it (``format_type``), so that it can
            be compared; ``{arguments}`` stands for what MySQL has in brackets, brackets included.
        postgres_unsigned: The same for an unsigned column; None where that makes no difference.
        select: How the SELECT asks for the column, ``{}`` being its quoted name and ``{width}``
            the first number in brackets.
        load: How MySQL makes the value of its text ``{}``; None where it takes the text as it is.
        compare: What PostgreSQL compares and hashes, ``{}`` being the column. ``=`` on floating
            point takes -0.0 for 0.0, which are different values at the source; json has no ``=``,
            and bit no hash.
        note: What to know about the type: what ``raw`` cannot hold, what is done about it.
    """

    postgres: str
    mode: Mode
    postgres_unsigned: str | None = None
    select: str = "{}"
    load: str | None = None
    compare: str = "{}"
    note: str = ""


_ZERO_DATE = "a zero date, a zero month or day, and year 0000 become NULL, counted"
_TEXT = TypeRule("text", Mode.TEXT, note="NUL characters are removed, counted")
_BINARY = TypeRule("bytea", Mode.BINARY, load="UNHEX({})")
_GEOMETRY = TypeRule(
    "bytea",
    Mode.GEOMETRY,
    load="UNHEX({})",
    note="the WKB as it is stored; replication keeps the SRID too",
)
_INET = TypeRule("inet", Mode.PLAIN)

UNLISTED: Final[Mapping[str, TypeRule]] = {
    "text": TypeRule("text", Mode.TEXT),
    "bytea": TypeRule("bytea", Mode.BINARY, load="UNHEX({})"),
}
"""How a type that is not in the table is carried where tables.yml chooses its type in ``raw``: as
the server prints it, or as the bytes that the server sends."""

TYPES: Final[Mapping[str, TypeRule]] = {
    "tinyint": TypeRule("smallint", Mode.PLAIN, note="TINYINT(1) is a number too"),
    "smallint": TypeRule("smallint", Mode.PLAIN, postgres_unsigned="integer"),
    "mediumint": TypeRule("integer", Mode.PLAIN),
    "int": TypeRule("integer", Mode.PLAIN, postgres_unsigned="bigint"),
    "bigint": TypeRule("bigint", Mode.PLAIN, postgres_unsigned="numeric(20,0)"),
    "decimal": TypeRule("numeric{arguments}", Mode.PLAIN),
    # Where it computes digests, MySQL prints a FLOAT with six digits, and a DOUBLE(M,D) with D
    # decimals; a plain DOUBLE with as many as it takes to read the same number back.
    "float": TypeRule("real", Mode.PLAIN, select="CAST({} AS DOUBLE)", compare="float4send({})"),
    "double": TypeRule("double precision", Mode.PLAIN, compare="float8send({})"),
    "bit": TypeRule(
        "bit{arguments}",
        Mode.PLAIN,
        select="LPAD(BIN({}), {width}, '0')",
        load="CAST(CONV({}, 2, 10) AS UNSIGNED)",
        compare="{}::text",
        note="BIT(1) is no boolean unless tables.yml says so",
    ),
    "date": TypeRule("date", Mode.DATE, note=_ZERO_DATE),
    "datetime": TypeRule("timestamp without time zone", Mode.DATE, note=_ZERO_DATE),
    "timestamp": TypeRule("timestamp with time zone", Mode.DATE, note=f"UTC; {_ZERO_DATE}"),
    "time": TypeRule("interval", Mode.PLAIN, note="a time of day or a duration, also negative"),
    "year": TypeRule("smallint", Mode.PLAIN),
    "char": _TEXT,
    "varchar": _TEXT,
    "tinytext": _TEXT,
    "text": _TEXT,
    "mediumtext": _TEXT,
    "longtext": _TEXT,
    "enum": replace(_TEXT, note="the error value arrives as the empty string"),
    "set": _TEXT,
    "json": TypeRule(
        "json",
        Mode.TEXT,
        compare="{}::text",
        note="jsonb where tables.yml says so; replication has LONGTEXT, which keeps its spelling",
    ),
    "binary": _BINARY,
    "varbinary": _BINARY,
    "tinyblob": _BINARY,
    "blob": _BINARY,
    "mediumblob": _BINARY,
    "longblob": _BINARY,
    "inet4": _INET,
    "inet6": _INET,
    "uuid": TypeRule("uuid", Mode.PLAIN),
    "geometry": _GEOMETRY,
    "point": _GEOMETRY,
    "linestring": _GEOMETRY,
    "polygon": _GEOMETRY,
    "multipoint": _GEOMETRY,
    "multilinestring": _GEOMETRY,
    "multipolygon": _GEOMETRY,
    "geometrycollection": _GEOMETRY,
    "geomcollection": _GEOMETRY,
    "vector": replace(_BINARY, note="its numbers as they are stored: four bytes each"),
}

_ASCII = "CHARACTER SET ascii COLLATE ascii_bin"


@dataclass(frozen=True, slots=True)
class StandIn:
    """A declaration in the replica for a type that its server lacks, in whole or in part.

    It holds the very text of each value, or its bytes, so it is read as the type would be.

    Attributes:
        shown: The types that it stands for, for people.
        types: Their ``column_type``, a regular expression.
        declared: The column in the replica.
        why: What the replication server lacks; empty where it only calls the type otherwise.
    """

    shown: str
    types: str
    declared: str
    why: str = "whose server has no such type"

    def matches(self, column: Column) -> bool:
        """True if *column* is of one of the types."""
        return re.fullmatch(self.types, column.column_type, re.DOTALL) is not None


_UTF8MB4 = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_UNTOLD = "since the source shows characters beyond U+FFFF in it as question marks"
UNTOLD_MEMBERS: Final = (
    StandIn(
        "ENUM that shows a member with a `?`",
        r"enum\(.*\?.*\)",
        f"varchar(255) {_UTF8MB4}",
        _UNTOLD,
    ),
    StandIn("SET that shows a member with a `?`", r"set\(.*\?.*\)", f"text {_UTF8MB4}", _UNTOLD),
)
"""Between any servers: no catalog tells which members a column has that are beyond U+FFFF."""

_VECTOR = StandIn(
    "VECTOR", r"vector\(\d+\)", "longblob", "whose server has another such type, or none"
)
STAND_INS: Final[Mapping[str, tuple[StandIn, ...]]] = {
    "MySQL": (
        StandIn("UUID", "uuid", f"char(36) {_ASCII}"),
        StandIn("INET4", "inet4", f"varchar(15) {_ASCII}"),
        StandIn("INET6", "inet6", f"varchar(45) {_ASCII}"),
        StandIn(
            "DECIMAL of more than 30 decimals",
            r"decimal\(\d+,3[1-8]\).*",
            f"varchar(67) {_ASCII}",
            "whose server has 30 decimals at most",
        ),
        StandIn(
            "TIME with a fraction",
            r"time\([1-6]\).*",
            f"varchar(17) {_ASCII}",
            "whose server has no time past 838:59:59",
        ),
        StandIn(
            "YEAR(2)", r"year\(2\).*", f"char(2) {_ASCII}", "whose server has four digits alone"
        ),
        _VECTOR,
    ),
    "MariaDB": (
        StandIn("GEOMCOLLECTION", "geomcollection", "geometrycollection", ""),
        _VECTOR,
    ),
}
"""By the replication server: what stands for types of a source that is the other of the two."""


_PREFIX_CHARACTERS = 191
"""Of a text in an index, where the source has all of it there: 764 bytes, of 767 that fit."""
_LONG_TYPES = frozenset(
    f"{size}{kind}" for size in ("tiny", "", "medium", "long") for kind in ("text", "blob")
)


def fit_replica(table: Table, *, source_is_mariadb: bool, replica_is_mariadb: bool) -> Table:
    """*table* as the replication server can hold it, whose values are those of the source.

    Between servers of one maker it is the same, but for members that no catalog tells. MariaDB
    alone stores -0.0 as 0, and has unique indexes over long texts; MySQL, and another type, want
    to know how much of a text.
    """
    is_same = source_is_mariadb == replica_is_mariadb
    of_server = () if is_same else STAND_INS["MariaDB" if replica_is_mariadb else "MySQL"]

    def fit(column: Column) -> Column:
        has_all_characters = column.charset in ("utf8mb4", "utf16", "utf16le", "utf32", "gb18030")
        stand_ins = (*of_server, *(UNTOLD_MEMBERS if has_all_characters else ()))
        found = (stand_in.declared for stand_in in stand_ins if stand_in.matches(column))
        is_real = column.data_type in ("float", "double") and not column.is_unsigned
        loses_zero = replica_is_mariadb and not is_same and is_real
        return replace(column, stand_in=next(found, ""), loses_negative_zero=loses_zero)

    fitted = replace(table, columns=tuple(map(fit, table.columns)))

    def is_asked(index: Index) -> bool:
        """True if the server needs the length; MariaDB shortens a single text by itself."""
        if is_same:
            return index.kind == "HASH" and len(index.parts) > 1
        return index.kind not in ("FULLTEXT", "SPATIAL")

    indexes = (
        replace(index, parts=tuple(_shorten(part, fitted) for part in index.parts))
        if is_asked(index)
        else index
        for index in table.indexes
    )
    return replace(fitted, indexes=tuple(indexes))


def _shorten(part: IndexPart, table: Table) -> IndexPart:
    """*part*, of a long column no more than its beginning."""
    column = table.column(part.column)
    held_as = column.stand_in.split()[0] if column.stand_in else column.data_type
    is_long = held_as in _LONG_TYPES
    is_whole = is_long and part.prefix_length is None
    return replace(part, prefix_length=_PREFIX_CHARACTERS) if is_whole else part


def stand_for_unlisted(column: Column, override: str | None) -> Column:
    """*column*, whose replica is text or bytes if its type is in no table, and tables.yml says how.

    So the replication server need not have the type.
    """
    if column.data_type in TYPES or override not in UNLISTED:
        return column
    return replace(column, stand_in=f"longtext {_UTF8MB4}" if override == "text" else "longblob")


def describe_stand_in(column: Column) -> str:
    """Return what stands for *column*'s type in the replica and why; empty if nothing does."""
    for stand_in in (*UNTOLD_MEMBERS, *STAND_INS["MySQL"], *STAND_INS["MariaDB"]):
        if column.stand_in and stand_in.why and stand_in.matches(column):
            shown = column.data_type if stand_in in UNTOLD_MEMBERS else column.column_type
            return f"{shown} is held as {column.stand_in.split()[0]} in replication, {stand_in.why}"
    return ""


@dataclass(frozen=True, slots=True)
class CarriedColumn:
    """A source column together with how it is carried.

    Attributes:
        raw_name: Its name in ``raw``, which may be shorter.
        quoted: The same, quoted.
    """

    column: Column
    raw_name: str
    quoted: str
    postgres_type: str
    mode: Mode
    select: str
    load: str | None
    compare: str

    @property
    def name(self) -> str:
        """The name at the source."""
        return self.column.name


def choice_of(table: str, column: str, choice: str) -> str:
    """The line of tables.yml, to paste, that chooses something for a column."""
    return f"in tables.yml: {table}: {{columns: {{{column}: {{{choice}}}}}}}"


def map_column(table: str, column: Column, override: str | None = None) -> CarriedColumn:
    """Return the carried form of *column* of *table*.

    Args:
        table: For the error's text.
        column: As the source declares it.
        override: A type from tables.yml; None for the type of the table of types. The model of
            tables.yml admits such types only as take a text unaltered or refuse it (and jsonb,
            which keeps the value and not its spelling), none that rounds or cuts.

    Raises:
        SchemaError: The type is not in the table of types, or cannot be carried as *override*.
    """
    rule = TYPES.get(column.data_type) or UNLISTED.get(override or "")
    if rule is None:
        raise SchemaError(
            f"type {column.column_type} is not supported",
            where=f"{table}.{column.name}",
            fix=f"{choice_of(table, column.name, 'type: text')}; {{type: bytea}} where its values "
            "are bytes, {exclude: true} where nobody needs them",
        )
    if column.is_json and override is None:
        rule = TYPES["json"]
    if override is not None:
        rule = _override(rule, override, f"{table}.{column.name}")
    arguments = re.search(r"\([\d, ]+\)", column.column_type)
    bracketed = arguments[0] if arguments else ""
    select = rule.select
    if column.data_type == "double" and bracketed:
        select = TYPES["float"].select
    mode = Mode.REAL if column.loses_negative_zero else rule.mode
    postgres = rule.postgres
    if column.is_unsigned and rule.postgres_unsigned:
        postgres = rule.postgres_unsigned
    return CarriedColumn(
        column,
        postgres_name(column.name),
        quote_postgres(column.name),
        postgres.format(arguments=bracketed),
        mode,
        select.format(quote_mysql(column.name), width=bracketed.strip("()").split(",")[0]),
        rule.load,
        rule.compare,
    )


def _override(rule: TypeRule, override: str, where: str) -> TypeRule:
    """*rule* with another PostgreSQL type; the text that travels stays the same."""
    if override == rule.postgres == "bytea":
        return rule
    if override == "bytea":
        raise SchemaError(
            f"only bytes are carried as bytea; this column's own type is {rule.postgres}",
            where=where,
            fix="take its type out of tables.yml, or choose text",
        )
    if rule.mode in (Mode.BINARY, Mode.GEOMETRY):
        raise SchemaError(
            f"a binary column cannot be carried as {override}",
            where=where,
            fix="take its type out of tables.yml; it is carried as bytea",
        )
    # As text a zero date has a form in PostgreSQL too, so nothing is altered.
    mode = Mode.TEXT if override == "text" else rule.mode
    compare = "{}::text" if override == "json" else "{}"
    return replace(rule, postgres=override, postgres_unsigned=None, mode=mode, compare=compare)
