"""The one table of types: what each MySQL type becomes, and how its values are asked for.

``text`` in ``raw`` carries no length, so that a column which grows at the source needs no change.
A type that is not in the table is refused by name; nothing is guessed from the data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.catalog import Column


class Mode(IntEnum):
    """What the kernel does with a column's text."""

    PLAIN = 0
    """Digits and signs: nothing in it needs an escape."""
    TEXT = 1
    """Escaped; a NUL character is removed where PostgreSQL is the sink, and counted."""
    DATE = 2
    """Plain; a zero date or a zero part becomes NULL where PostgreSQL is the sink, and counted."""


@dataclass(frozen=True, slots=True)
class TypeRule:
    """How one MySQL type is carried.

    Attributes:
        postgres: Type in ``raw``, as PostgreSQL itself writes it (``format_type``), so that it can
            be compared; ``{arguments}`` stands for what MySQL has in brackets.
        postgres_unsigned: The same for an unsigned column; None where that makes no difference.
        select: How the SELECT asks for the column, ``{}`` being its quoted name.
        compare: What PostgreSQL compares, ``{}`` being the column. ``=`` on floating point takes
            -0.0 for 0.0, which are different values at the source.
        loses: What ``raw`` cannot hold; empty for nothing.
    """

    postgres: str
    mode: Mode
    postgres_unsigned: str | None = None
    select: str = "{}"
    compare: str = "{}"
    loses: str = ""


_ZERO_DATE = "zero dates, zero months or days, and the year 0000 become NULL, counted"
_NUL = "NUL characters are removed, counted"

_TEXT = TypeRule("text", Mode.TEXT, loses=_NUL)

TYPES: dict[str, TypeRule] = {
    "tinyint": TypeRule("smallint", Mode.PLAIN),
    "smallint": TypeRule("smallint", Mode.PLAIN, postgres_unsigned="integer"),
    "mediumint": TypeRule("integer", Mode.PLAIN),
    "int": TypeRule("integer", Mode.PLAIN, postgres_unsigned="bigint"),
    "bigint": TypeRule("bigint", Mode.PLAIN, postgres_unsigned="numeric(20,0)"),
    "decimal": TypeRule("numeric{arguments}", Mode.PLAIN),
    # MySQL prints a FLOAT with six digits; as DOUBLE it prints all that it holds.
    "float": TypeRule("real", Mode.PLAIN, select="CAST({} AS DOUBLE)", compare="float4send({})"),
    "double": TypeRule("double precision", Mode.PLAIN, compare="float8send({})"),
    "date": TypeRule("date", Mode.DATE, loses=_ZERO_DATE),
    "datetime": TypeRule("timestamp without time zone", Mode.DATE, loses=_ZERO_DATE),
    "timestamp": TypeRule("timestamp with time zone", Mode.DATE, loses=_ZERO_DATE),
    "time": TypeRule("interval", Mode.PLAIN),
    "year": TypeRule("smallint", Mode.PLAIN),
    "char": _TEXT,
    "varchar": _TEXT,
    "tinytext": _TEXT,
    "text": _TEXT,
    "mediumtext": _TEXT,
    "longtext": _TEXT,
    "enum": _TEXT,
    "set": _TEXT,
}


@dataclass(frozen=True, slots=True)
class CarriedColumn:
    """A source column together with how it is carried."""

    column: Column
    postgres_type: str
    rule: TypeRule

    @property
    def name(self) -> str:
        """The name, the same in all three databases."""
        return self.column.name


def carry(table: str, column: Column) -> CarriedColumn:
    """How *column* of *table* is carried.

    Raises:
        SchemaError: The type is not in the table of types.
    """
    rule = TYPES.get(column.data_type)
    if rule is None:
        raise SchemaError(
            f"type {column.column_type} is not supported",
            where=f"{table}.{column.name}",
            fix=f"leave {table} out of tables.yml, or name only the tables to copy there",
        )
    postgres = rule.postgres
    if column.is_unsigned and rule.postgres_unsigned:
        postgres = rule.postgres_unsigned
    arguments = re.search(r"\([\d, ]+\)", column.column_type)
    return CarriedColumn(column, postgres.format(arguments=arguments[0] if arguments else ""), rule)
