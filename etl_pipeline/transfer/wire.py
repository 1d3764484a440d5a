"""All that reaches into PyMySQL: packets to and from the server, past its own row reader.

PyMySQL logs in, does TLS and frames packets; rows are taken from its buffered socket as they
come. What is used of its insides: ``_execute_command``, ``_read_packet``, ``_next_seq_id``,
``_rfile`` and ``_force_close``. A test of that contract fails when one of them changes.

Rows in the protocol's binary form come of prepared statements alone, which PyMySQL does not have.
"""

from __future__ import annotations

import contextlib
import re
import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

from pymysql import err
from pymysql.constants import COMMAND, CR
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from etl_pipeline.errors import TransferError
from etl_pipeline.transfer.layout import Form, read_form

READ_BYTES = 1 << 18

OpenConnection: TypeAlias = Any
"""A ``pymysql.connections.Connection`` with its private parts, which no stub names."""


def send_query(connection: OpenConnection, statement: str | bytes) -> MysqlPacket:
    """Send *statement* and return the first packet of the answer.

    Raises:
        pymysql.err.MySQLError: The server refused the statement, or was lost.
    """
    text = statement.encode() if isinstance(statement, str) else statement
    connection._execute_command(COMMAND.COM_QUERY, text)
    return read_packet(connection)


def read_packet(connection: OpenConnection) -> MysqlPacket:
    """The next packet; an error packet is raised as PyMySQL's error of its number."""
    packet: MysqlPacket = connection._read_packet()
    return packet


@dataclass(frozen=True, slots=True)
class Result:
    """A result whose rows follow.

    Attributes:
        statement: The number of the prepared statement that gives it, for ``close_statement``.
        forms: The form of each column.
    """

    statement: int
    forms: tuple[Form, ...]


_PREPARED = struct.Struct("<xIHH")  # a zero, then statement, columns, parameters
_EXECUTE = struct.Struct("<IBI")  # statement, no cursor, once
_LAST = 0xFFFFFFFF
_MARIADB = re.compile(r"(\d+)\.(\d+)\.\d+-mariadb", re.IGNORECASE)
_KNOWS_LAST = (10, 2)


def open_result(connection: OpenConnection, statement: str | bytes) -> Result:
    """Let the server run *statement*, prepared, and read its answer up to the rows.

    MariaDB knows a number for the statement that was prepared last, so it is told both things at
    once, and over a long line a result takes no longer than that of a query.

    Raises:
        pymysql.err.MySQLError: The server refused the statement, or was lost.
        TransferError: The statement gives no rows, or has parameters; the connection is closed.
    """
    text = statement.encode() if isinstance(statement, str) else statement
    is_told_both = _knows_last(connection)
    connection._execute_command(COMMAND.COM_STMT_PREPARE, text)
    if is_told_both:
        first = connection._next_seq_id  # packets are counted anew for each command
        _execute(connection, _LAST)
        connection._next_seq_id = first
    try:
        number, columns = _read_prepared(connection)
    except err.MySQLError:
        if is_told_both and connection.open:
            with contextlib.suppress(err.MySQLError):
                _read_other_answer(connection)  # that there is no such statement
                close_at_once(connection)  # something else was run
        raise
    try:
        if is_told_both:
            header = _read_other_answer(connection)
        else:
            _execute(connection, number)
            header = read_packet(connection)
    except err.MySQLError:
        if connection.open:
            close_statement(connection, number)
        raise
    if not columns:
        close_at_once(connection)
        raise TransferError("the statement gives no rows")
    return Result(number, _read_forms(connection, header.read_length_encoded_integer()))


def _knows_last(connection: OpenConnection) -> bool:
    version = _MARIADB.search(connection.server_version)
    return version is not None and (int(version[1]), int(version[2])) >= _KNOWS_LAST


def _execute(connection: OpenConnection, statement: int) -> None:
    connection._execute_command(COMMAND.COM_STMT_EXECUTE, _EXECUTE.pack(statement, 0, 1))


def _read_prepared(connection: OpenConnection) -> tuple[int, int]:
    """Number and columns of the statement that was prepared, past what is said of its columns."""
    answer: Any = read_packet(connection)
    number, columns, parameters = _PREPARED.unpack_from(answer.get_all_data())
    if parameters:
        close_at_once(connection)
        raise TransferError("the statement has parameters")
    if columns:
        _read_forms(connection, columns)
    return number, columns


def _read_other_answer(connection: OpenConnection) -> Any:
    """The first packet of the answer to the second of two commands that were sent at once."""
    connection._next_seq_id = 1
    return read_packet(connection)


def close_statement(connection: OpenConnection, statement: int) -> None:
    """Let the server forget a prepared statement whose result has ended; it gives no answer."""
    connection._execute_command(COMMAND.COM_STMT_CLOSE, statement.to_bytes(4, "little"))


def _read_forms(connection: OpenConnection, columns: int) -> tuple[Form, ...]:
    forms = []
    for _ in range(columns):
        column: Any = connection._read_packet(FieldDescriptorPacket)
        forms.append(read_form(column.type_code, column.flags, column.length, column.scale))
    read_packet(connection)  # the end of the definitions
    return tuple(forms)


def read_more(connection: OpenConnection, rest: bytes, missing: int) -> bytes | bytearray:
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


def end_query(connection: OpenConnection, rows: int, received_bytes: int) -> None:
    """Tell a connection that counts its statements that the answer to one has ended."""
    count = getattr(connection, "end_statement", None)
    if count is not None:
        count(rows, received_bytes)


def find_cut(connection: OpenConnection) -> err.MySQLError | None:
    """Return the error for a statement without rows that the server may have ended; else None."""
    find = getattr(connection, "find_cut", None)
    return None if find is None else find()


def close_at_once(connection: OpenConnection) -> None:
    """Close without a word to the server: it drops what it was doing for this connection."""
    connection._force_close()
