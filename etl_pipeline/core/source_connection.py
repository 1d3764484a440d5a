"""``SourceConnection``: a connection to the source that cannot write and obeys the throttle.

``_execute_command`` is where PyMySQL hands a command to the socket, so cursors, the pool,
SQLAlchemy and PyMySQL's own methods all pass it. There each statement is checked
(``source_guard``), waits for the throttle if it begins to read, and is timed and counted
(``source_usage``).
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

from pymysql import err
from pymysql.constants import CLIENT, COMMAND

from etl_pipeline.core.driver_errors import note_database
from etl_pipeline.core.mysql_connection import MysqlConnection
from etl_pipeline.core.mysql_errors import ER_QUERY_TIMEOUT, ER_STATEMENT_TIMEOUT
from etl_pipeline.core.server_version import is_mariadb
from etl_pipeline.core.source_guard import check_statement
from etl_pipeline.core.throttle import Throttle
from etl_pipeline.errors import StatementRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator


NO_LIMIT = 2**64 - 1
"""Largest value of ``sql_select_limit``; DEFAULT would be the server's global value, not this."""
IDLE_SECONDS = 2700
"""Session ``wait_timeout``: a client that is gone keeps its locks no longer than this.

Longer than ``pool_recycle`` by default: the pool renews a connection before the server ends it.
"""
PINNED_SETTINGS = (
    # A limit of rows, or of what may be joined, ends a statement or cuts it short.
    f"sql_select_limit={NO_LIMIT}, max_join_size={NO_LIMIT}, sql_big_selects=1,"
    # CHAIN begins a transaction where one has ended, RELEASE ends the session.
    " completion_type=0,"
    # "key IS NULL" would find the last row that was inserted.
    " sql_auto_is_null=0,"
    f" sql_quote_show_create=1, wait_timeout={IDLE_SECONDS}"
)
"""Assignments for SET SESSION of what our statements rely on and a server may set otherwise."""
_CUT_PART = 0.99
"""Part of the limit after which a statement may have been ended: two clocks do not run alike."""
FIRST_MYSQL_WITH_CACHED_SIZES = 8
"""Major version of MySQL that caches the sizes in information_schema for a day by default."""

_HARMLESS_COMMANDS = frozenset(
    {
        COMMAND.COM_PING,
        COMMAND.COM_QUIT,
        # COM_STMT_PREPARE was checked.
        COMMAND.COM_STMT_EXECUTE,
        COMMAND.COM_STMT_CLOSE,
    }
)


class SourceConnection(MysqlConnection):
    """A connection whose session is ``READ ONLY`` and whose statements are bounded and checked.

    Args:
        throttle: Limits each statement and read; shared by the connections of a run.
        parameters: As for ``pymysql.connect``. Overridden: no local files, no multiple statements,
            and the character set utf8mb4, which ``check_statement`` assumes.
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
                self._send_unchecked(statement)
        except BaseException:
            self._force_close()
            raise

    @contextlib.contextmanager
    def reading(self, table: str) -> Iterator[None]:
        """In the block, statements have the time limit of *table* and are counted for it."""
        self._table = table
        self._limit_statements(self.throttle.limits.seconds_of_tables.get(table))
        yield
        # After an error the connection is closed: see lend_mysql.
        self._limit_statements(None)
        self._table = ""

    def end_statement(self, rows: int = 0, received_bytes: int = 0) -> None:
        """Report the statement under way to the usage meter; do nothing if there is none.

        Args:
            rows: Rows received.
            received_bytes: Bytes that did not pass PyMySQL: ``transfer/wire.py`` read them.
        """
        if self._sent_at is None:
            return
        now = self.throttle.clock()
        size = self._received_bytes + received_bytes
        self.throttle.usage_meter.add(now - self._sent_at, rows=rows, size=size, table=self._table)
        self._sent_at = None
        self._read_at = now

    def find_cut(self) -> err.OperationalError | None:
        """Return the error for the statement under way if it took as long as it may; else None.

        To be asked of an answer in which nothing has come: MariaDB (10.11) that ends a statement
        while it looks for ranges of an index takes them for impossible, and answers with no row
        and no error. Neither does MySQL promise more. What took less was not ended at the limit.
        """
        if self._sent_at is None or not self._limit_seconds:
            return None
        if self.throttle.clock() - self._sent_at < self._limit_seconds * _CUT_PART:
            return None
        number = ER_STATEMENT_TIMEOUT if is_mariadb(self.server_version) else ER_QUERY_TIMEOUT
        error = err.OperationalError(number, "nothing came within the limit of a statement")
        note_database(error, self._name)
        return error

    def _begin_statement(self) -> None:
        self.end_statement()
        self._received_bytes = 0
        self._sent_at = self.throttle.clock()

    def _limit_statements(self, seconds: float | None) -> None:
        """Let the server end statements after *seconds*; None for the session's own limit."""
        seconds = self._session_seconds if seconds is None else seconds
        if seconds != self._limit_seconds:
            self._send_unchecked(
                f"SET SESSION {_time_limit_settings(self.server_version, seconds)}"
            )
            self._limit_seconds = seconds

    def _send_unchecked(self, statement: str) -> None:
        """Send a SET of ours, which the guard would refuse."""
        self._begin_statement()
        super()._execute_command(COMMAND.COM_QUERY, statement)  # type: ignore[misc]
        self._read_ok_packet()

    def _show(self, statement: str) -> list[dict[str, Any]]:
        """Send a SHOW past guard and throttle; return its rows as mappings by column name."""
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
        """Wait for the throttle before a transaction begins, or before its first read.

        Never in an open transaction: its locks would make others wait, too. COMMIT, ROLLBACK and
        KILL never wait.
        """
        if verb.startswith((b"ROLLBACK", b"COMMIT")):
            self._has_read = False
        elif verb.startswith((b"SELECT", b"WITH", b"START")) and not self._has_read:
            self.end_statement()
            self.throttle.admit(self._show, self.server_version, self._read_at)
            self._has_read = True

    def _read_query_result(self, unbuffered: bool = False) -> int:
        try:
            affected = int(super()._read_query_result(unbuffered))  # type: ignore[misc]
            rows = getattr(self._result, "rows", None)
            cut = self.find_cut() if rows is not None and not rows else None
            self.end_statement(len(rows or ()))
            if cut:
                raise cut
        except RuntimeError:
            # PyMySQL raises it when the server asks for a local file and local_infile is off.
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
    """Return the statements that prepare a session at the source.

    The SQL mode is emptied: a mode can change what a quotation mark or a ``CHAR`` column means.
    MySQL 8.0 and later cache the sizes of tables for a day (``information_schema_stats_expiry``);
    chunks are cut by size, so the cache is switched off.

    Args:
        server_version: From the server's greeting.
        max_seconds: Time limit of a statement.
    """
    limit = _time_limit_settings(server_version, max_seconds)
    if (
        not is_mariadb(server_version)
        and int(server_version.split(".")[0]) >= FIRST_MYSQL_WITH_CACHED_SIZES
    ):
        limit += ", information_schema_stats_expiry=0"
    return (
        f"SET SESSION sql_mode='', time_zone='+00:00', {PINNED_SETTINGS}, {limit}",
        # READ UNCOMMITTED would copy rows that are rolled back; SERIALIZABLE would lock them.
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    )


def time_limit_variable(server_version: str) -> str:
    """Return the variable with the time limit: seconds in MariaDB, milliseconds in MySQL."""
    return "max_statement_time" if is_mariadb(server_version) else "max_execution_time"


def _time_limit_settings(server_version: str, seconds: float) -> str:
    """Return the assignments for SET SESSION that let the server end a statement after *seconds*.

    While a server waits for the client to take rows, it does not check the time limit (measured on
    MariaDB 10.11: a MyISAM table stayed locked for a minute). So ``net_write_timeout`` bounds that
    wait, too.
    """
    most = f"{seconds:f}" if is_mariadb(server_version) else str(math.ceil(seconds * 1000))
    return f"{time_limit_variable(server_version)}={most}, net_write_timeout={math.ceil(seconds)}"
