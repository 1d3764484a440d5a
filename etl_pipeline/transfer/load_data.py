"""The sink of the replication database: row text into ``LOAD DATA LOCAL``.

The protocol of LOAD DATA LOCAL is spoken here: the server asks for a file, and gets blocks
instead of one. No file and no pipe is involved, so the end of a broken producer cannot look like
the end of the data: only a producer that reached its end sends the closing packet, any other
closes the connection, and the server rolls the statement back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pymysql.protocol import LoadLocalPacketWrapper, OKPacketWrapper

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.transfer import wire

_FILE = "row text"
_PACKET_BYTES = 1 << 18
_COUNTS = re.compile(rb"Records: (\d+) +Deleted: (\d+) +Skipped: (\d+) +Warnings: (\d+)")


def load_statement(table: str, columns: Sequence[str]) -> str:
    """The LOAD DATA that reads lossless row text of *columns* into *table*."""
    names = ", ".join(quote_mysql(name) for name in columns)
    return (
        f"LOAD DATA LOCAL INFILE '{_FILE}' INTO TABLE {quote_mysql(table)} "
        "CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' "
        f"LINES TERMINATED BY '\\n' ({names})"
    )


def load_data(connection: Any, table: str, columns: Sequence[str], blocks: Iterable[bytes]) -> int:
    """Send *blocks* into *table* and return how many rows the server took; the caller commits.

    LOAD DATA LOCAL skips duplicates and clamps bad values, in strict mode too, so anything but
    "every record taken, no warning" is an error here.

    Args:
        connection: A PyMySQL connection with the capability ``LOCAL_FILES``.
        table: A table of the connection's database.
        columns: Names in the order of the text's fields.
        blocks: Lossless row text, cut anywhere.

    Raises:
        TransferError: The server skipped or altered a row; the caller must roll back.
        pymysql.err.MySQLError: The server refused the statement or was lost.
    """
    statement = load_statement(table, columns)
    request = wire.send_query(connection, statement)
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
        raise TransferError(
            f"the server skipped {skipped} of {records} rows and warned {warnings} times",
            where=table,
            fix="etl run --debug shows the statement; the column types of both servers must agree",
        )
    return records
