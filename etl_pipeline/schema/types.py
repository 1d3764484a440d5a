"""The one table of types: what each MySQL type becomes, and how its values travel.

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
from etl_pipeline.schema.catalog import Column
from etl_pipeline.schema.names import quote_mysql


class Mode(IntEnum):
    """What the kernel does with a column's bytes; the numbers are the compiled kernel's."""

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


@dataclass(frozen=True, slots=True)
class TypeRule:
    """How one MySQL type is carried.

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
}


@dataclass(frozen=True, slots=True)
class CarriedColumn:
    """A source column together with how it is carried."""

    column: Column
    postgres_type: str
    mode: Mode
    select: str
    load: str | None
    compare: str

    @property
    def name(self) -> str:
        """The name, the same in all three databases."""
        return self.column.name


def choice_of(table: str, column: str, choice: str) -> str:
    """The line of tables.yml, to paste, that chooses something for a column."""
    return f"in tables.yml: {table}: {{columns: {{{column}: {{{choice}}}}}}}"


def carry(table: str, column: Column, override: str | None = None) -> CarriedColumn:
    """How *column* of *table* is carried.

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
    postgres = rule.postgres
    if column.is_unsigned and rule.postgres_unsigned:
        postgres = rule.postgres_unsigned
    return CarriedColumn(
        column,
        postgres.format(arguments=bracketed),
        rule.mode,
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
