"""The sink of the replication database: row text into ``LOAD DATA LOCAL``, or into INSERT.

The protocol of LOAD DATA LOCAL is spoken here: the server asks for a file, and gets blocks
instead of one. No file and no pipe is involved, so the end of a broken producer cannot look like
the end of the data: only a producer that reached its end sends the closing packet, any other
closes the connection, and the server rolls the statement back.

A server whose ``local_infile`` is off gets multi-row INSERTs of the same text instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pymysql.connections import Connection
from pymysql.protocol import LoadLocalPacketWrapper, OKPacketWrapper

from etl_pipeline.errors import TransferError
from etl_pipeline.formatting import count_of
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.transfer import wire
from etl_pipeline.transfer.select import RenderedTable, mysql_literal

_FILE = "row text"
_PACKET_BYTES = 1 << 18
_INSERT_BYTES = 1 << 19
_COUNTS = re.compile(rb"Records: (\d+) +Deleted: (\d+) +Skipped: (\d+) +Warnings: (\d+)")


def load_statement(table: str, text: RenderedTable) -> str:
    """The LOAD DATA that reads lossless row text into *table*.

    What MySQL does not take as text goes through a variable and the expression of its type.
    """
    targets, assignments = [], []
    for position, carried in enumerate(text.columns):
        name = quote_mysql(carried.name)
        if carried.load is None:
            targets.append(name)
        else:
            targets.append(f"@v{position}")
            assignments.append(f"{name} = {carried.load.format(f'@v{position}')}")
    changes = f" SET {', '.join(assignments)}" if assignments else ""
    return (
        f"LOAD DATA LOCAL INFILE '{_FILE}' INTO TABLE {quote_mysql(table)} "
        "CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' "
        f"LINES TERMINATED BY '\\n' ({', '.join(targets)}){changes}"
    )


def load_data(
    connection: Connection[Any], table: str, text: RenderedTable, blocks: Iterable[bytes]
) -> int:
    """Send *blocks* into *table* and return how many rows the server took; the caller commits.

    LOAD DATA LOCAL skips duplicates and clamps bad values, in strict mode too, so anything but
    "every record taken, no warning" is an error here.

    Args:
        connection: A PyMySQL connection with the capability ``LOCAL_FILES``.
        table: A table of the connection's database.
        text: The table whose rows they are.
        blocks: Lossless row text, cut anywhere.

    Raises:
        TransferError: The server skipped or altered a row; the caller must roll back.
        pymysql.err.MySQLError: The server refused the statement or was lost.
    """
    request = wire.send_query(connection, load_statement(table, text))
    finished = False
    try:
        if not request.is_load_local_packet():
            raise TransferError("the server did not ask for the rows of LOAD DATA", where=table)
        if LoadLocalPacketWrapper(request).filename != _FILE.encode():
            raise TransferError("the server asked for a file of its own choice", where=table)
        for block in blocks:
            for start in range(0, len(block), _PACKET_BYTES):
                connection.write_packet(block[start : start + _PACKET_BYTES])
        connection.write_packet(b"")
        finished = True
    finally:
        if not finished:
            wire.close_at_once(connection)
    answer = OKPacketWrapper(wire.read_packet(connection))
    counts = _COUNTS.search(answer.message)
    if counts is None:
        raise TransferError("the server did not report what LOAD DATA did", where=table)
    records, _, skipped, warnings = (int(number) for number in counts.groups())
    if skipped or warnings or answer.warning_count:
        raise _not_taken(
            table,
            f"skipped {skipped} of {count_of(records, 'row')}, {count_of(warnings, 'warning')}",
        )
    return records


def insert_rows(
    connection: Connection[Any], table: str, text: RenderedTable, lines: Iterable[bytes]
) -> int:
    """Send *lines* into *table* by multi-row INSERTs; the rest is as for ``load_data``.

    Args:
        connection: A PyMySQL connection in strict mode.
        table: A table of the connection's database.
        text: The table whose rows they are.
        lines: Lossless row text, a row each, without newlines.

    Raises:
        TransferError: Likewise, or a row is larger than the server's ``max_allowed_packet``: the
            server would hang up, in that run and every other.
    """
    taken = 0
    packet_bytes = _ask_packet(connection)
    limit_bytes = min(_INSERT_BYTES, packet_bytes // 2)
    for statement, last in insert_statements(table, text, lines, limit_bytes=limit_bytes):
        if len(statement) >= packet_bytes:
            raise _too_large(text, last, len(statement), packet_bytes)
        answer = OKPacketWrapper(wire.send_query(connection, statement))
        if answer.warning_count:
            raise _not_taken(table, f"warned {answer.warning_count} times")
        taken += answer.affected_rows
    return taken


def insert_statements(
    table: str, text: RenderedTable, lines: Iterable[bytes], *, limit_bytes: int = _INSERT_BYTES
) -> Iterator[tuple[bytes, bytes]]:
    """INSERTs of *limit_bytes* each at most, or of a single row, each with its last line."""
    names = ", ".join(quote_mysql(carried.name) for carried in text.columns)
    head = f"INSERT INTO {quote_mysql(table)} ({names}) VALUES ".encode()
    rows: list[bytes] = []
    size, last = len(head), b""
    for line in lines:
        fields = zip(text.columns, line.split(b"\t"), strict=True)
        row = b"(" + b",".join(mysql_literal(carried, field) for carried, field in fields) + b")"
        if rows and size + len(row) > limit_bytes:
            yield head + b",".join(rows), last
            rows, size = [], len(head)
        rows.append(row)
        size += len(row) + 1
        last = line
    if rows:
        yield head + b",".join(rows), last


def _ask_packet(connection: Connection[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.max_allowed_packet")
        return int(cursor.fetchone()[0])


def _too_large(
    text: RenderedTable, line: bytes, statement_bytes: int, packet_bytes: int
) -> TransferError:
    """The error for the row of *line*, which is a statement by itself; names its largest value."""
    fields = line.split(b"\t")
    position = max(range(len(fields)), key=lambda index: len(fields[index]))
    key = text.read_key(line)
    row = f"in the row of key {key}" if key else "in a table without a key"
    megabytes = len(fields[position]) / (1 << 20)
    needed = 1 << (statement_bytes + 1).bit_length()
    return TransferError(
        f"column {text.columns[position].name} holds {megabytes:,.1f} MB of row text {row}, more "
        f"than the replication server's max_allowed_packet of {packet_bytes / (1 << 20):,.1f} MB "
        "lets an INSERT bring",
        where=text.name,
        fix=f"SET GLOBAL max_allowed_packet = {min(needed, 1 << 30)} there, and keep it in its "
        "configuration",
    )


def _not_taken(table: str, what: str) -> TransferError:
    return TransferError(
        f"the replication server did not take every row as it was sent: it {what}",
        where=table,
        fix="compare sql_mode, max_allowed_packet and the version of both servers",
    )
