"""Events of the log, decoded as far as they are needed (no I/O).

Sources: MySQL's and MariaDB's manuals on the replication protocol, and what MariaDB 10.11 and
MySQL 9.7 write.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from etl_pipeline.binlog.buffer import Buffer, damaged

HEADER_BYTES = 19
IGNORABLE = 0x80
"""Flag of an event that a reader who does not know it may skip."""
ARTIFICIAL = 0x20
"""Flag of an event that is in no file: the server made it for the dump."""

CHECKSUM_BYTES = 4

_HEADER = struct.Struct("<IBIIIH")


class EventType(IntEnum):
    """Types of events."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    INTVAR = 5
    APPEND_BLOCK = 9
    DELETE_FILE = 11
    RAND = 13
    USER_VAR = 14
    FORMAT_DESCRIPTION = 15
    XID = 16
    BEGIN_LOAD_QUERY = 17
    EXECUTE_LOAD_QUERY = 18
    TABLE_MAP = 19
    WRITE_ROWS_V1 = 23
    UPDATE_ROWS_V1 = 24
    DELETE_ROWS_V1 = 25
    INCIDENT = 26
    HEARTBEAT = 27
    IGNORABLE = 28
    ROWS_QUERY = 29
    WRITE_ROWS = 30
    UPDATE_ROWS = 31
    DELETE_ROWS = 32
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    TRANSACTION_CONTEXT = 36
    VIEW_CHANGE = 37
    XA_PREPARE = 38
    PARTIAL_UPDATE_ROWS = 39
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    GTID_TAGGED = 42
    # MariaDB's
    ANNOTATE_ROWS = 160
    BINLOG_CHECKPOINT = 161
    MARIADB_GTID = 162
    MARIADB_GTID_LIST = 163
    START_ENCRYPTION = 164
    QUERY_COMPRESSED = 165
    WRITE_ROWS_COMPRESSED_V1 = 166
    UPDATE_ROWS_COMPRESSED_V1 = 167
    DELETE_ROWS_COMPRESSED_V1 = 168
    WRITE_ROWS_COMPRESSED = 169
    UPDATE_ROWS_COMPRESSED = 170
    DELETE_ROWS_COMPRESSED = 171
    PARTIAL_ROW_DATA = 172


class Header(NamedTuple):
    """The part that every event begins with.

    Attributes:
        timestamp: Seconds since the epoch, by the source's clock; 0 in events of the dump.
        end: Lower four bytes of where the event ends in its file; 0 in events of the dump.
    """

    timestamp: int
    type: int
    server_id: int
    size: int
    end: int
    flags: int


def read_header(event: bytes) -> Header:
    """Return the header of *event*.

    Raises:
        LogError: *event* is not as long as it says.
    """
    if len(event) < HEADER_BYTES:
        raise damaged("an event is cut off")
    header = unpack_header(event)
    if header.size != len(event):
        raise damaged("an event is not as long as it says")
    return header


def unpack_header(event: bytes) -> Header:
    """Return the header of *event*, which may be longer or shorter than it says."""
    return Header(*_HEADER.unpack_from(event))


class FormatDescription(NamedTuple):
    """Properties of a file's events, as its first event tells them.

    Attributes:
        header_sizes: Size of the fixed part of the events of each type, from type 1 on.
        has_checksums: Whether each event ends in four bytes of checksum.
    """

    version: str
    header_sizes: bytes
    has_checksums: bool

    def fixed_size(self, event_type: int, default: int) -> int:
        """Return the size of the fixed part of an event; *default* where it is not told."""
        sizes = self.header_sizes
        return sizes[event_type - 1] if event_type <= len(sizes) else default


_VERSION_BYTES = 50
_FIRST_WITH_CHECKSUMS = ((5, 6, 1), (5, 3, 0))
"""Of MySQL, of MariaDB: from here on a file says whether its events have checksums."""


def read_format(event: bytes) -> FormatDescription:
    """Return what a format description event says."""
    body = Buffer(event, HEADER_BYTES)
    if body.number(2) != 4:
        raise damaged("the log is of a version before MySQL 5.0")
    version = body.take(_VERSION_BYTES).rstrip(b"\0").decode("ascii", "replace")
    body.number(4)
    if body.number(1) != HEADER_BYTES:
        raise damaged("the headers of its events have another size")
    sizes = body.rest()
    first = _FIRST_WITH_CHECKSUMS["mariadb" in version.lower()]
    if _read_version(version) < first:
        return FormatDescription(version, sizes, has_checksums=False)
    if len(sizes) < CHECKSUM_BYTES + 1:
        raise damaged("a format description is cut off")
    # This event itself has a checksum, also where the others have none.
    algorithm = sizes[-CHECKSUM_BYTES - 1]
    return FormatDescription(
        version, sizes[: -CHECKSUM_BYTES - 1], has_checksums=algorithm not in (0, 255)
    )


def _read_version(version: str) -> tuple[int, ...]:
    digits = [part for part in version.split("-")[0].split(".")[:3] if part.isdigit()]
    return tuple(map(int, digits))


class Rotation(NamedTuple):
    """The file in which the log goes on, and where in it."""

    file: str
    offset: int


def read_rotation(event: bytes) -> Rotation:
    """Return where the log goes on after a rotate event."""
    body = Buffer(event, HEADER_BYTES)
    offset = body.number(8)
    return Rotation(body.rest().decode("utf-8", "replace"), offset)


class Query(NamedTuple):
    """A statement.

    Attributes:
        schema: The default database.
        raw: Its text, compressed in some events.
        sql_mode: The session's, as a number; 0 where it is not told.
    """

    schema: str
    raw: bytes
    sql_mode: int


_QUERY_FIXED, _LOAD_FIXED = 13, 13
_FLAGS_VARIABLE, _MODE_VARIABLE = 0, 1


def read_query(event: bytes, *, is_load: bool = False) -> Query:
    """Return the statement of a query event; *is_load* for one that loads a file."""
    body = Buffer(event, HEADER_BYTES)
    fixed = Buffer(body.take(_QUERY_FIXED + (_LOAD_FIXED if is_load else 0)))
    fixed.take(8)
    schema_size = fixed.number(1)
    fixed.take(2)
    variables = Buffer(body.take(fixed.number(2)))
    schema = body.take(schema_size).decode("utf-8", "replace")
    body.take(1)
    return Query(schema, body.rest(), _read_mode(variables))


def decode_text(text: bytes) -> str | None:
    """Return the *text* of a statement; None where it is not UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _read_mode(variables: Buffer) -> int:
    """Return the SQL mode; it stands second at the latest."""
    while variables.left:
        code = variables.number(1)
        if code == _FLAGS_VARIABLE:
            variables.take(4)
        else:
            return variables.number(8) if code == _MODE_VARIABLE else 0
    return 0


class MariadbGtid(NamedTuple):
    """The event that begins a transaction in MariaDB's log.

    Attributes:
        is_standalone: Whether the one event that follows is all of it: no COMMIT comes.
        is_ddl: Whether it is a change of definitions.
    """

    domain: int
    server: int
    sequence: int
    is_standalone: bool
    is_ddl: bool


_STANDALONE, _DDL = 1, 32


def read_mariadb_gtid(event: bytes, server: int) -> MariadbGtid:
    """Return what a GTID event of MariaDB says; *server* is the one in its header."""
    body = Buffer(event, HEADER_BYTES)
    sequence, domain, flags = body.number(8), body.number(4), body.number(1)
    return MariadbGtid(domain, server, sequence, bool(flags & _STANDALONE), bool(flags & _DDL))


class MysqlGtid(NamedTuple):
    """The event that begins a transaction in MySQL's log.

    Attributes:
        server: UUID, 16 bytes.
        number: 0 where the transaction has no GTID.
        committed: Microseconds since the epoch; 0 where that is not told (before MySQL 8).
    """

    server: bytes
    number: int
    tag: str
    committed: int


_CLOCK_TYPE = 2
_COMMIT_BYTES = 7
_HAS_ORIGINAL = 1 << 55


def read_mysql_gtid(event: bytes) -> MysqlGtid:
    """Return what a GTID event of MySQL, or an anonymous one, says."""
    body = Buffer(event, HEADER_BYTES + 1)
    server, number, committed = body.take(16), body.number(8), 0
    if body.left >= 17 + _COMMIT_BYTES and body.number(1) == _CLOCK_TYPE:
        body.take(16)
        committed = body.number(_COMMIT_BYTES) & ~_HAS_ORIGINAL
    return MysqlGtid(server, number, "", committed)


_TAGGED_FLAGS, _TAGGED_SERVER, _TAGGED_NUMBER, _TAGGED_TAG = range(4)
_TAGGED_LAST, _TAGGED_SEQUENCE, _TAGGED_COMMITTED = 4, 5, 6


def read_tagged_gtid(event: bytes) -> MysqlGtid:
    """Return what a GTID event with a tag says: fields with their numbers before them."""
    body = Buffer(event, HEADER_BYTES)
    body.varlen()
    body.varlen()
    body.varlen()
    server, number, tag, committed = b"", 0, "", 0
    while body.left:
        field = body.varlen()
        if field == _TAGGED_FLAGS:
            body.varlen()
        elif field == _TAGGED_SERVER:
            server = bytes(body.varlen() & 0xFF for _ in range(16))
        elif field == _TAGGED_NUMBER:
            number = body.signed_varlen()
        elif field == _TAGGED_TAG:
            tag = body.take(body.varlen()).decode("ascii", "replace")
        elif field in (_TAGGED_LAST, _TAGGED_SEQUENCE):
            body.signed_varlen()
        elif field == _TAGGED_COMMITTED:
            committed = body.varlen()
            break
        else:
            break
    if not server or number < 1:
        raise damaged("a GTID is none")
    return MysqlGtid(server, number, tag, committed)


Xid = tuple[int, bytes, bytes]
"""An XA transaction's name: number of its format, global part, branch."""


class XaPrepare(NamedTuple):
    """The end of an XA transaction's changes.

    Attributes:
        is_one_phase: Whether it is committed by that; else a statement commits it later.
    """

    xid: Xid
    is_one_phase: bool


def read_xa_prepare(event: bytes) -> XaPrepare:
    """Return what an XA prepare event says."""
    body = Buffer(event, HEADER_BYTES)
    is_one_phase = bool(body.number(1))
    form, global_size, branch_size = body.number(4), body.number(4), body.number(4)
    return XaPrepare((form, body.take(global_size), body.take(branch_size)), is_one_phase)


class Fragment(NamedTuple):
    """A part of an event of rows that was too large for one packet (MariaDB 12.3)."""

    parts: int
    number: int
    data: bytes


_TELLS_SIZE = 1


def read_fragment(event: bytes) -> Fragment:
    """Return the part of an event that a fragment carries; numbers begin with 1."""
    body = Buffer(event, HEADER_BYTES)
    parts, number, flags = body.number(4), body.number(4), body.number(1)
    if flags & _TELLS_SIZE:
        body.take(8)
    return Fragment(parts, number, body.rest())
