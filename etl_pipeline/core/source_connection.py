"""The driver's connection to the source, which cannot write and keeps to the throttle's limits.

The check sits where PyMySQL hands a command to the socket, so cursors, the pool, SQLAlchemy and
PyMySQL's own methods all pass it. There, too, every statement is timed and counted, and a read
waits until the source is to be read.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

from pymysql.constants import CLIENT, COMMAND

from etl_pipeline.core.mysql_connection import MysqlConnection
from etl_pipeline.core.source_guard import check_statement
from etl_pipeline.core.throttle import Throttle
from etl_pipeline.errors import StatementRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator


NO_LIMIT = 2**64 - 1
"""For ``sql_select_limit``, whose word DEFAULT means the server's own value."""
IDLE_SECONDS = 2700
"""The longest that a session of ours may be idle; a client that is gone keeps no lock for longer.

Longer than ``pool_recycle`` by default, so that a connection is renewed before the server ends it.
"""
UNBENT = (
    # A limit of rows, or of what may be joined, ends a statement or cuts it short.
    f"sql_select_limit={NO_LIMIT}, max_join_size={NO_LIMIT}, sql_big_selects=1,"
    # CHAIN begins a transaction where one has ended, RELEASE ends the session.
    " completion_type=0,"
    # "key IS NULL" would find the last row that was inserted.
    " sql_auto_is_null=0,"
    f" sql_quote_show_create=1, wait_timeout={IDLE_SECONDS}"
)
"""Settings that our statements rely on and a server may set otherwise; for SET SESSION."""
FIRST_TO_KEEP_SIZES = 8
"""The major version of MySQL."""

_HARMLESS_COMMANDS = frozenset(
    {
        COMMAND.COM_PING,
        COMMAND.COM_QUIT,
        # Of statements that were checked when they were prepared.
        COMMAND.COM_STMT_EXECUTE,
        COMMAND.COM_STMT_CLOSE,
    }
)


class SourceConnection(MysqlConnection):
    """A connection whose session is ``READ ONLY`` and whose statements are bounded and checked.

    Args:
        throttle: Limits each statement and read; shared by the connections of a run.
        parameters: As for ``pymysql.connect``; files are never sent, and the character set is
            utf8mb4, for which the check was made.
    """

    # What PyMySQL has and its type stubs leave out; a test fails if a release takes it away.
    _result: Any

    def __init__(self, *, throttle: Throttle | None = None, **parameters: Any) -> None:
        self.throttle = Throttle() if throttle is None else throttle
        self._limit_seconds = self._session_seconds = self.throttle.limits.seconds_per_statement
        self._table = ""
        self._sent_at: float | None = None
        self._read_at: float | None = None
        self._received_bytes = 0
        self._has_read = False
        flags = parameters.get("client_flag", 0) & ~(CLIENT.LOCAL_FILES | CLIENT.MULTI_STATEMENTS)
        parameters |= {"client_flag": flags, "local_infile": False, "charset": "utf8mb4"}
        super().__init__(**parameters)

    def connect(self, sock: Any = None) -> None:
        """Log in and prepare the session, before anybody else can use it."""
        super().connect(sock)
        try:
            for statement in list_session_statements(self.server_version, self._session_seconds):
                self._set(statement)
        except BaseException:
            self._force_close()
            raise

    @contextlib.contextmanager
    def reading(self, table: str) -> Iterator[None]:
        """For the block, statements read *table*: its limit is theirs, and they are counted so."""
        self._table = table
        self._limit_statements(self.throttle.limits.seconds_of_tables.get(table))
        yield
        # After an error the connection is closed: see lend_mysql.
        self._limit_statements(None)
        self._table = ""

    def end_statement(self, rows: int = 0, received_bytes: int = 0) -> None:
        """Count the statement under way, if there is one.

        Args:
            rows: Rows received.
            received_bytes: What was received past PyMySQL.
        """
        if self._sent_at is None:
            return
        now = self.throttle.clock()
        size = self._received_bytes + received_bytes
        self.throttle.usage_meter.add(now - self._sent_at, rows=rows, size=size, table=self._table)
        self._sent_at = None
        self._read_at = now

    def _begin_statement(self) -> None:
        self.end_statement()
        self._received_bytes = 0
        self._sent_at = self.throttle.clock()

    def _limit_statements(self, seconds: float | None) -> None:
        """Let the server end statements after *seconds*; None is the limit of the session."""
        seconds = self._session_seconds if seconds is None else seconds
        if seconds != self._limit_seconds:
            self._set(f"SET SESSION {_limit_words(self.server_version, seconds)}")
            self._limit_seconds = seconds

    def _set(self, statement: str) -> None:
        """Send a statement of ours that the check would not let through."""
        self._begin_statement()
        super()._execute_command(COMMAND.COM_QUERY, statement)  # type: ignore[misc]
        self._read_ok_packet()

    def _ask_load(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a SHOW, each by column name."""
        self._begin_statement()
        super()._execute_command(COMMAND.COM_QUERY, statement)  # type: ignore[misc]
        self._read_query_result()
        if not self._result.rows:
            return []
        names = [field.name for field in self._result.fields]
        return [dict(zip(names, row, strict=True)) for row in self._result.rows]

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        if command in (COMMAND.COM_QUERY, COMMAND.COM_STMT_PREPARE):
            sql = sql.encode("utf-8") if isinstance(sql, str) else bytes(sql)
            check_statement(sql)
            self._wait_for_throttle(sql[:8].lstrip(b"( \n").upper())
            self._begin_statement()
        elif command not in _HARMLESS_COMMANDS:
            raise StatementRefusedError(
                f"command {command} of the protocol is not let through",
                where="source",
                fix="read with SELECT, SHOW, DESCRIBE or EXPLAIN",
            )
        super()._execute_command(command, sql)  # type: ignore[misc]

    def _wait_for_throttle(self, verb: bytes) -> None:
        """Wait before the first read of a transaction; one that is open would keep others waiting.

        What ends a transaction, or another session's statement, never waits.
        """
        if verb.startswith((b"ROLLBACK", b"COMMIT")):
            self._has_read = False
        elif verb.startswith((b"SELECT", b"WITH")) and not self._has_read:
            self.end_statement()
            self.throttle.admit(self._ask_load, self.server_version, self._read_at)
            self._has_read = True

    def _read_query_result(self, unbuffered: bool = False) -> int:
        try:
            affected = int(super()._read_query_result(unbuffered))  # type: ignore[misc]
            rows = getattr(self._result, "rows", None)
            self.end_statement(len(rows or ()))
        except RuntimeError:
            # PyMySQL's answer to a server that asks for a file although nobody offered one.
            self._force_close()
            raise StatementRefusedError(
                "the server asked for a local file and got none; the connection was closed",
                where="source",
                fix="check that the host is the server that you mean",
            ) from None
        finally:
            self.end_statement()
        return affected

    def _read_ok_packet(self) -> Any:
        try:
            return super()._read_ok_packet()  # type: ignore[misc]
        finally:
            self.end_statement()

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._received_bytes += num_bytes
        return bytes(super()._read_bytes(num_bytes))  # type: ignore[misc]


def list_session_statements(server_version: str, max_seconds: float) -> tuple[str, ...]:
    """Return the statements that prepare a session at the source; *server_version* as greeted.

    The SQL mode is emptied: others change what a quotation mark or a ``CHAR`` column means. A
    limit of rows that the server gives every session would end a SELECT without a word. MySQL
    8.0 and newer answer with the size that a table had when somebody last asked, up to a day ago;
    chunks are cut by that size, so it is asked for anew.
    """
    limit = _limit_words(server_version, max_seconds)
    is_mariadb = "mariadb" in server_version.lower()
    if not is_mariadb and int(server_version.split(".")[0]) >= FIRST_TO_KEEP_SIZES:
        limit += ", information_schema_stats_expiry=0"
    return (
        f"SET SESSION sql_mode='', time_zone='+00:00', {UNBENT}, {limit}",
        # One that reads uncommitted rows would copy what never was; a serializable one locks them.
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    )


def time_limit(server_version: str) -> str:
    """Return the variable that bounds a statement: seconds in MariaDB, milliseconds in MySQL."""
    is_mariadb = "mariadb" in server_version.lower()
    return "max_statement_time" if is_mariadb else "max_execution_time"


def _limit_words(server_version: str, seconds: float) -> str:
    """Return the assignments of SET SESSION that bound a statement.

    A server that waits for a client to take its rows does not look at the time that a statement
    has; measured on MariaDB 10.11: a MyISAM table stayed locked for a minute. So it is told, too,
    how long to wait for a client.
    """
    is_mariadb = "mariadb" in server_version.lower()
    most = f"{seconds:f}" if is_mariadb else str(math.ceil(seconds * 1000))
    return f"{time_limit(server_version)}={most}, net_write_timeout={math.ceil(seconds)}"
