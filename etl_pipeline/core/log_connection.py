"""``LogConnection``: a connection to the source over which the server sends its binary log.

It is a ``SourceConnection``, whose guard refuses the commands of a replica like all others. Here
three of them pass, with what this module itself makes of them and of nothing else: register, and
the two kinds of dump. Afterwards the connection is good for receiving alone.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Callable
from typing import Any, NoReturn

from pymysql import err
from pymysql.constants import CR

from etl_pipeline.core.driver_errors import note_database
from etl_pipeline.core.liveness import SilentError
from etl_pipeline.core.server_version import is_mariadb
from etl_pipeline.core.source_connection import SourceConnection

HEARTBEAT_SECONDS = 1.0
"""Longest silence of a server that has nothing to send."""
SILENCE_SECONDS = 30.0
"""Silence after which the server, or the line to it, counts as dead."""
STALL_SECONDS = 60
"""Longest time that the server waits for a reader which takes nothing; then it ends the dump, and
no longer keeps the log files that the reader has not read."""
MARIADB_CAPABILITY = 4
"""The reader knows MariaDB's GTIDs and their events."""

_COM_REGISTER_SLAVE, _COM_BINLOG_DUMP, _COM_BINLOG_DUMP_GTID = 0x15, 0x12, 0x1E
_READ_BYTES = 1 << 18
_FULL_PACKET = 0xFFFFFF
_DUMP_BY_GTID = 0x04
_NUMBER = struct.Struct("<H")


class LogConnection(SourceConnection):
    """A connection on which the server's log is asked for and received.

    Args:
        parameters: As for :class:`SourceConnection`.
    """

    _sock: Any
    _next_seq_id: int

    def __init__(self, **parameters: Any) -> None:
        self._received = bytearray()
        self._taken = 0
        super().__init__(**parameters)

    @property
    def is_mariadb(self) -> bool:
        """True if the server is MariaDB."""
        return is_mariadb(self.server_version)

    def register(self, server_id: int) -> None:
        """Announce the reader as a replica called *server_id*, which no other replica may have.

        The server then sends events without checksums, and something at least each second.

        Raises:
            pymysql.err.MySQLError: The server refused, or was lost.
        """
        nanoseconds = int(HEARTBEAT_SECONDS * 1e9)
        settings = {
            "master_binlog_checksum": "'NONE'",
            "source_binlog_checksum": "'NONE'",
            "master_heartbeat_period": str(nanoseconds),
            "source_heartbeat_period": str(nanoseconds),
        }
        if self.is_mariadb:
            settings["mariadb_slave_capability"] = str(MARIADB_CAPABILITY)
        assignments = ", ".join(f"@{name}={value}" for name, value in settings.items())
        self._send_unchecked(f"SET {assignments}, SESSION net_write_timeout={STALL_SECONDS}")
        # Number, names (none) and port of a replica, and what no server uses any more.
        self._send_command(_COM_REGISTER_SLAVE, struct.pack("<I3xHII", server_id, 0, 0, 0))
        self._read_ok_packet()

    def dump_file(self, server_id: int, file: str, offset: int) -> None:
        """Ask for the log from *offset* of *file* on."""
        payload = struct.pack("<IHI", offset, 0, server_id) + file.encode()
        self._send_command(_COM_BINLOG_DUMP, payload)

    def dump_after_gtid(self, server_id: int, gtid: str, encoded: bytes) -> None:
        """Ask for what was committed after *gtid*.

        Args:
            server_id: As registered.
            gtid: Digits, dashes and commas: the state as MariaDB writes it.
            encoded: The set as MySQL takes it.
        """
        if self.is_mariadb:
            if not set(gtid) <= set("0123456789-,"):
                raise ValueError("not a GTID of MariaDB")
            self._send_unchecked(
                f"SET @slave_connect_state='{gtid}', @slave_gtid_strict_mode=1,"
                " @slave_gtid_ignore_duplicates=0"
            )
            self._send_command(_COM_BINLOG_DUMP, struct.pack("<IHI", 4, 0, server_id))
            return
        payload = struct.pack("<HIIQI", _DUMP_BY_GTID, server_id, 0, 4, len(encoded)) + encoded
        self._send_command(_COM_BINLOG_DUMP_GTID, payload)

    def receive(self, until: float, clock: Callable[[], float]) -> bytes | None:
        """Return the next event; None if none has come by *until*.

        Args:
            until: By *clock*.
            clock: Monotonic seconds.

        Raises:
            pymysql.err.MySQLError: The server ended the dump, or was lost.
        """
        while (packet := self._next_packet()) is None:
            if not self._wait(max(0.0, until - clock())):
                return None
            self._fill()
        first = packet[0] if packet else 0xFE
        if first == 0:
            return packet[1:]
        if first == 0xFF and len(packet) > 2:
            number = _NUMBER.unpack_from(packet, 1)[0]
            text = packet[9:] if packet[3:4] == b"#" else packet[3:]
            self._force_close()
            raise self._error(number, text.decode("utf-8", "replace"))
        self._force_close()
        raise self._error(CR.CR_SERVER_LOST, "the server ended the log")

    def give_up(self) -> NoReturn:
        """Close the connection to a server that is silent, and raise the error for it."""
        self._force_close()
        silence = SilentError(f"nothing came for {SILENCE_SECONDS:.0f} s")
        raise self._error(CR.CR_SERVER_LOST, "the server is silent") from silence

    def end_dump(self) -> None:
        """Close the connection: a dump knows no farewell."""
        self._force_close()

    def _send_command(self, command: int, payload: bytes) -> None:
        # Past the guard of SourceConnection: the payload was made here.
        self._begin_statement()
        super(SourceConnection, self)._execute_command(command, payload)  # type: ignore[misc]

    def _wait(self, seconds: float) -> bool:
        """True if the server has sent something, within *seconds*."""
        pending = getattr(self._sock, "pending", None)
        if pending is not None and pending():
            return True
        return bool(select.select([self._sock], [], [], seconds)[0])

    def _fill(self) -> None:
        """Add what the server has sent to what was received and not taken yet."""
        try:
            data = self._sock.recv(_READ_BYTES)
        except TimeoutError:
            return  # of TLS: a record that has not come whole
        except OSError as error:
            self._force_close()
            raise self._error(CR.CR_SERVER_LOST, "connection lost") from error
        if not data:
            self._force_close()
            raise self._error(CR.CR_SERVER_LOST, "connection closed")
        if self._taken:
            del self._received[: self._taken]
            self._taken = 0
        self._received += data

    def _next_packet(self) -> bytes | None:
        """Take the next packet; one that is larger than 16 MB comes in parts."""
        received, end = self._received, self._taken
        bounds = []
        while len(received) - end >= 4:
            length = int.from_bytes(received[end : end + 3], "little")
            start, end = end + 4, end + 4 + length
            if end > len(received):
                return None
            bounds.append((start, end))
            if length < _FULL_PACKET:
                self._taken = end
                return b"".join([received[a:b] for a, b in bounds])
        return None

    def _error(self, number: int, text: str) -> err.OperationalError:
        error = err.OperationalError(number, text)
        note_database(error, self._name)
        return error
