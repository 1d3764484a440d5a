"""The log of the source as a stream of transactions, over a connection like a replica's."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pymysql import err

from etl_pipeline.binlog.changes import ChangeReader, LoggedTransaction, Tables
from etl_pipeline.binlog.gtid import MysqlGtids
from etl_pipeline.binlog.position import Position, Start, choose_start, lost
from etl_pipeline.binlog.server_log import list_files, read_name_case, refuse_unlogged
from etl_pipeline.core.log_connection import SILENCE_SECONDS, LogConnection
from etl_pipeline.errors import LogError

FATAL_READING = 1236
"""ER_MASTER_FATAL_ERROR_READING_BINLOG: the server cannot send what was asked for."""
SERVER_IDS = range(1 << 31, 1 << 32)
"""Numbers for a reader that nobody has named; servers are given small ones."""

_SAME_REPLICA = ("server_id", "server_uuid", "server-id", "server-uuid")
_TOO_LARGE = ("max_allowed_packet",)
_NOT_KEPT = ("not open", "not enabled")


def choose_server_id(seed: bytes) -> int:
    """Return the number of a reader, the same for the same *seed*: what it writes to, by name."""
    digest = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
    return SERVER_IDS[digest % len(SERVER_IDS)]


def open_log(
    connection: LogConnection,
    position: Position,
    tables: Tables,
    *,
    schema: str,
    server_id: int,
    by_gtid: bool = False,
    may_have_triggers: bool = True,
) -> LogStream:
    """Ask the source for its log from *position* on.

    Args:
        connection: Open; the stream closes it.
        position: Where an earlier stream, or ``read_position``, stopped.
        tables: The layouts of the tables that are followed.
        schema: The source's database.
        server_id: The reader's number among the source's replicas.
        by_gtid: Whether the position's GTID is believed without its file: another server of one
            cluster.
        may_have_triggers: As for :class:`ChangeReader`.

    Raises:
        PositionLostError: The log does not go on from there.
        LogError: The log leaves out *schema*.
        pymysql.err.MySQLError: The server refused, or was lost.
    """
    start = choose_start(position, list_files(connection), by_gtid=by_gtid)
    refuse_unlogged(connection, schema)
    ignores_case = read_name_case(connection)
    connection.register(server_id)
    if start is Start.GTID:
        encoded = b"" if connection.is_mariadb else MysqlGtids.parse(position.gtid).encode()
        connection.dump_after_gtid(server_id, position.gtid, encoded)
    else:
        connection.dump_file(server_id, position.file, position.offset)
    reader = ChangeReader(
        position,
        schema,
        tables,
        is_mariadb=connection.is_mariadb,
        ignores_case=ignores_case,
        may_have_triggers=may_have_triggers,
    )
    return LogStream(connection, reader)


class LogStream:
    """Transactions of the log, as they are committed; a context manager that ends the dump.

    Args:
        connection: On which the dump was asked for.
        reader: Makes transactions of events.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        connection: LogConnection,
        reader: ChangeReader,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection, self._reader, self._clock = connection, reader, clock
        self._heard_at = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the dump."""
        self._connection.end_dump()

    @property
    def position(self) -> Position:
        """Up to which the log was read, without a transaction that has not ended yet."""
        return self._reader.position

    def read(self, until: float, upto: Position | None = None) -> LoggedTransaction | None:
        """Return the next transaction, of whatever schema, or the next rotation of the log.

        Args:
            until: When to stop waiting, by the clock.
            upto: Where to stop, too: once the log was read so far.

        Returns:
            None if nothing was committed until then, or *upto* is reached.

        Raises:
            PositionLostError: The log does not go on: purged, reset, or another server's.
            LogError: An event is damaged, or the server cannot send the log.
            pymysql.err.MySQLError: The connection was lost, or the server is silent.
        """
        while upto is None or not self.position.has_reached(upto):
            try:
                event = self._connection.receive(until, self._clock)
            except err.MySQLError as error:
                meaning = explain_end(error)
                if meaning is None:
                    raise
                raise meaning from error
            now = self._clock()
            if event is None:
                self._check_silence(now)
                return None
            self._heard_at = now
            found = self._reader.feed(event)
            if found is not None:
                return found
            if now >= until:
                return None
        return None

    def _check_silence(self, now: float) -> None:
        if now - self._heard_at > SILENCE_SECONDS:
            self._connection.give_up()


def explain_end(error: err.MySQLError) -> LogError | None:
    """Return our error for what ended a dump; None where the driver's error says it.

    One number stands for all that keeps a server from sending its log. Its text, which is in
    English on every server and is not repeated here, is the only thing that tells causes apart;
    one that is not recognised counts as a lost position, which is healed by a comparison.
    """
    if not error.args or error.args[0] != FATAL_READING:
        return None
    text = str(error.args[1]).lower() if len(error.args) > 1 else ""
    if any(word in text for word in _SAME_REPLICA) and "same" in text:
        return LogError(
            "another replica of the source has the server id of this one (1236)",
            where="source",
            fix="see SHOW REPLICAS (SHOW SLAVE HOSTS) there, and let each have its own",
        )
    if any(word in text for word in _TOO_LARGE):
        return LogError(
            "an event of the source's log is larger than the server sends (1236)",
            where="source",
            fix="SET GLOBAL max_allowed_packet = 1073741824 there, and in its configuration",
        )
    if any(word in text for word in _NOT_KEPT):
        return LogError(
            "the source keeps no binary log (1236)",
            where="source",
            fix="log_bin, binlog_format=ROW and a server_id in the server's configuration, and a "
            "restart",
        )
    return lost("the server no longer has what follows in its log (1236)")
