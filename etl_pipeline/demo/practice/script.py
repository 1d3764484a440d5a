"""Read and execute the SQL files of the practice."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from etl_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    from etl_pipeline.demo.server_databases import MySqlConnection

_DICE = re.compile(r"\bdice\((\w+),\s*([^()]+)\)")
_COMMENT = re.compile(r"(?m)(^|\s)--(\s.*)?$")
_WRITE = re.compile(r"\s*(?:(INSERT) INTO|(UPDATE)|(DELETE) (?:\w+ )?FROM) (\w+)")
_TEMPORARY = re.compile(r"\s*CREATE TEMPORARY TABLE (\w+)")
_NO_DEFAULT = 1364


class Write(NamedTuple):
    """Rows that one statement inserted, updated or deleted in a table that stays."""

    verb: str
    table: str
    rows: int


def read_statements(text: str) -> list[str]:
    """Return the statements of an SQL text, which a semicolon at the end of a line ends.

    Comments are removed. ``dice(tag, key, …)`` is our shorthand for an integer from 0 to 2^32 - 1
    that looks random and is always the same for one seed, tag and key. It is expanded here because
    a stored function costs three times as much (1.8 against 0.5 microseconds, measured on MariaDB
    10.11); the MD5 is there because CRC32 alone is linear: two tags of one length would give
    related numbers.
    """
    plain = _COMMENT.sub("", text)
    written_out = _DICE.sub(r"CRC32(MD5(CONCAT_WS(':', @seed, '\1', \2)))", plain)
    return [part.strip() for part in re.split(r";[ \t]*\n", written_out + "\n") if part.strip()]


def execute_file(connection: MySqlConnection, *path: str) -> list[Write]:
    """Run every statement of a file below ``sql/``, and return what was written; no commit.

    An UPDATE counts the rows that it changed, unless the connection asks for found rows.

    Raises:
        DatabaseError: The server warned of anything but a column left to its type's default,
            which is how a row loses data silently in OpenDental's empty ``sql_mode``.
    """
    text = files(__package__).joinpath("sql", *path).read_text(encoding="utf-8")
    writes = []
    temporary = set()
    with connection.cursor() as cursor:
        for statement in read_statements(text):
            rows = cursor.execute(statement)
            if cursor.warning_count:
                _refuse_warnings(connection, "/".join(("sql", *path)))
            if made := _TEMPORARY.match(statement):
                temporary.add(made[1])
            elif (write := _WRITE.match(statement)) and write[4] not in temporary:
                writes.append(Write(write[1] or write[2] or write[3], write[4], rows))
    return writes


def _refuse_warnings(connection: MySqlConnection, where: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW WARNINGS")
        for _level, number, _text in cursor.fetchall():
            if number != _NO_DEFAULT:
                raise DatabaseError(f"the server warned with error number {number}", where=where)
