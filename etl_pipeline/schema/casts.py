"""Casts of values of ``raw`` to another type (no I/O).

A column follows its source by ``ALTER … USING``. Where PostgreSQL has no cast from one type to
another, or one that means another thing than MySQL's, the value goes the way that is here. Rows
that the source still has are compared with it afterwards; what is here decides for those alone that
it has no more.
"""

from __future__ import annotations

import re

_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_FLOATS = frozenset({"real", "double precision"})
_JSON = frozenset({"json", "jsonb"})
_MOMENTS = frozenset({"timestamp without time zone", "timestamp with time zone"})


def cast_value(column: str, before: str, after: str) -> str:
    """The expression of *column*, quoted, of type *before*, as *after*.

    A value that *after* does not hold ends it with an error; so do types without a way.
    """
    is_number = after in _INTEGERS | _FLOATS or after.startswith("numeric")
    width = _bits(after)
    if _bits(before):
        return _cast_bits(column, after, is_number=is_number)
    if width and (before in _INTEGERS or before.startswith("numeric")):
        bits = f"{column}::bigint::bit({width})"
        return _if(f"{bits}::bigint = {column} AND {column} >= 0", bits, column, after)
    ways = (
        # PostgreSQL casts no number but integer to boolean, and boolean to no other number.
        (before in _INTEGERS and after == "boolean", f"{column}::integer::boolean"),
        (before == "boolean" and is_number, f"{column}::integer::{after}"),
        (before == "boolean" and width, f"{column}::integer::bit({width})"),
        (before == "bytea" and after == "uuid", f"encode({column}, 'hex')::uuid"),
        (before == "uuid" and after == "bytea", f"uuid_send({column})"),
        # Digits with a prefix are not what the bytes say.
        (before == "bytea" and after in {"text", "json"}, f"convert_from({column}, 'UTF8')"),
        (before in {"text", *_JSON} and after == "bytea", f"convert_to({column}::text, 'UTF8')"),
        (before in _MOMENTS and after == "interval", f"{column}::time::interval"),
        (before in _JSON and after not in {"text", *_JSON}, f"({column} #>> '{{}}')::{after}"),
    )
    return next((way for is_so, way in ways if is_so), f"{column}::{after}")


def _cast_bits(column: str, after: str, *, is_number: bool) -> str:
    """MySQL's BIT is a number, which PostgreSQL's bits are at their left end."""
    number = f"{column}::bigint"
    unsigned = (
        f"CASE WHEN {number} < 0 THEN {number} + 18446744073709551616::numeric ELSE {number} END"
    )
    if is_number:
        return f"({unsigned})::{after}"
    if after == "boolean":
        return f"({number} <> 0)"
    width = _bits(after)
    if not width:
        return f"{column}::{after}"
    digits = f"lpad({column}::text, 64, '0')"
    fits = f"strpos(left({digits}, {64 - width}), '1') = 0"
    return _if(fits, f"right({digits}, {width})::bit({width})", column, after)


def _if(fits: str, value: str, column: str, after: str) -> str:
    """*value* where it *fits*; else an error, for a cast to bits would cut it."""
    return f"CASE WHEN {fits} THEN {value} ELSE ('?' || {column}::text)::{after} END"


def _bits(type_: str) -> int:
    """Digits of a type of bits; 0 for another type."""
    found = re.fullmatch(r"bit\((\d+)\)", type_)
    return int(found[1]) if found else 0
