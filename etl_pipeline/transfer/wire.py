"""All that reaches into PyMySQL: packets to and from the server, past its own row reader.

PyMySQL logs in, does TLS and frames packets; rows are taken from its buffered socket as they
come. What is used of its insides: ``_execute_command``, ``_read_packet``, ``_rfile`` and
``_force_close``. A test of that contract fails when one of them changes.
"""

from __future__ import annotations

from typing import Any

from pymysql import err
from pymysql.constants import COMMAND, CR
from pymysql.protocol import MysqlPacket

READ_BYTES = 1 << 18


def send_query(connection: Any, statement: str | bytes) -> MysqlPacket:
    """Send *statement* and return the first packet of the answer.

    Raises:
        pymysql.err.MySQLError: The server refused the statement, or was lost.
    """
    text = statement.encode() if isinstance(statement, str) else statement
    connection._execute_command(COMMAND.COM_QUERY, text)
    return read_packet(connection)


def read_packet(connection: Any) -> MysqlPacket:
    """The next packet; an error packet is raised as PyMySQL's error of its number."""
    packet: MysqlPacket = connection._read_packet()
    return packet


def read_more(connection: Any, rest: bytes, missing: int) -> bytes | bytearray:
    """*rest* and what the server has sent since.

    Where *missing* is a lot, that many bytes are waited for, so that a large row is put together
    once and not block by block; else it is one read's worth.

    Raises:
        pymysql.err.OperationalError: The connection was lost.
    """
    try:
        if missing > READ_BYTES:
            block = bytearray(len(rest) + missing)
            block[: len(rest)] = rest
            if connection._rfile.readinto(memoryview(block)[len(rest) :]) < missing:
                raise err.OperationalError(CR.CR_SERVER_LOST, "connection closed in a result")
            return block
        data: bytes = connection._rfile.read1(READ_BYTES)
    except OSError as error:
        raise err.OperationalError(CR.CR_SERVER_LOST, "connection lost in a result") from error
    if not data:
        raise err.OperationalError(CR.CR_SERVER_LOST, "connection closed in a result")
    return rest + data if rest else data


def end_query(connection: Any, rows: int, received_bytes: int) -> None:
    """Tell a connection that counts its statements that the answer to one has ended."""
    count = getattr(connection, "end_statement", None)
    if count is not None:
        count(rows, received_bytes)


def close_at_once(connection: Any) -> None:
    """Close without a word to the server: it drops what it was doing for this connection."""
    connection._force_close()
