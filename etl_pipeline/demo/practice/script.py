"""Statements of a SQL file, with ``dice(…)`` written out."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

from etl_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymysql.connections import Connection

_DICE = re.compile(r"\bdice\((\w+),\s*([^()]+)\)")
_NO_DEFAULT = 1364


def read_statements(*path: str) -> Iterator[str]:
    """The statements of a file below ``sql/``; a semicolon at the end of a line ends one.

    ``dice(tag, key, …)`` is our shorthand for an integer from 0 to 2^32 - 1 that looks random and
    is always the same for one seed, tag and key. It is written out here because a stored function
    costs three times as much (1.8 against 0.5 microseconds, measured on MariaDB 10.11), and the
    MD5 is there because CRC32 alone is linear: two tags of one length would give related numbers.
    """
    source = files(__package__).joinpath("sql", *path).read_text(encoding="utf-8")
    text = _DICE.sub(r"CRC32(MD5(CONCAT_WS(':', @seed, '\1', \2)))", source)
    for statement in re.split(r";[ \t]*(?:--[^\n]*)?\n", text):
        if re.sub(r"--[^\n]*", "", statement).strip():
            yield statement


def execute_file(connection: Connection, *path: str) -> None:
    """Run every statement of a file below ``sql/``; the caller commits.

    Raises:
        DatabaseError: The server warned of anything but a column left to its type's default,
            which is how a row loses data silently in OpenDental's empty ``sql_mode``.
    """
    with connection.cursor() as cursor:
        for statement in read_statements(*path):
            cursor.execute(statement)
            if not cursor.warning_count:
                continue
            cursor.execute("SHOW WARNINGS")
            for _level, number, _text in cursor.fetchall():
                if number != _NO_DEFAULT:
                    raise DatabaseError(
                        f"the server warned with error number {number}",
                        where="/".join(("sql", *path)),
                    )
