"""The driver's connection to the source, which cannot write.

The check sits where PyMySQL hands a command to the socket, so cursors, the pool, SQLAlchemy and
PyMySQL's own methods all pass it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pymysql.constants import CLIENT, COMMAND

from etl_pipeline.core.mysql_connection import MysqlConnection
from etl_pipeline.core.source_guard import check_statement
from etl_pipeline.errors import StatementRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable


NO_LIMIT = 2**64 - 1
"""For ``sql_select_limit``, whose word DEFAULT means the server's own value."""
FIRST_TO_KEEP_SIZES = 8
"""The version of MySQL."""


class SourceConnection(MysqlConnection):
    """A connection whose session is ``READ ONLY`` and whose statements are bounded and checked.

    Args:
        max_seconds_per_statement: The server ends a longer statement.
        parameters: As for ``pymysql.connect``; files are never sent, and the character set is
            utf8mb4, for which the check was made.
    """

    # What PyMySQL has and its type stubs leave out; a test fails if a release takes it away.
    server_version: str
    _read_ok_packet: Callable[[], object]
    _force_close: Callable[[], None]

    def __init__(self, *, max_seconds_per_statement: float, **parameters: Any) -> None:
        self._max_seconds_per_statement = max_seconds_per_statement
        flags = parameters.get("client_flag", 0) & ~(CLIENT.LOCAL_FILES | CLIENT.MULTI_STATEMENTS)
        parameters |= {"client_flag": flags, "local_infile": False, "charset": "utf8mb4"}
        super().__init__(**parameters)

    def connect(self, sock: Any = None) -> None:
        """Log in and prepare the session, before anybody else can use it."""
        super().connect(sock)
        try:
            for statement in list_session_statements(
                self.server_version, self._max_seconds_per_statement
            ):
                super()._execute_command(COMMAND.COM_QUERY, statement)  # type: ignore[misc]
                self._read_ok_packet()
        except BaseException:
            self._force_close()
            raise

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        if command == COMMAND.COM_QUERY:
            sql = sql.encode("utf-8") if isinstance(sql, str) else bytes(sql)
            check_statement(sql)
        elif command not in (COMMAND.COM_PING, COMMAND.COM_QUIT):
            raise StatementRefusedError(
                f"command {command} of the protocol is not let through",
                where="source",
                fix="read with SELECT, SHOW, DESCRIBE or EXPLAIN",
            )
        super()._execute_command(command, sql)  # type: ignore[misc]

    def _read_query_result(self, unbuffered: bool = False) -> int:
        try:
            return int(super()._read_query_result(unbuffered))  # type: ignore[misc]
        except RuntimeError:
            # PyMySQL's answer to a server that asks for a file although nobody offered one.
            self._force_close()
            raise StatementRefusedError(
                "the server asked for a local file and got none; the connection was closed",
                where="source",
                fix="check that the host is the server that you mean",
            ) from None


def list_session_statements(server_version: str, max_seconds: float) -> tuple[str, ...]:
    """What a new session at the source is told; *server_version* as in the server's greeting.

    The SQL mode is emptied: others change what a quotation mark or a ``CHAR`` column means. A
    limit of rows that the server gives every session would end a SELECT without a word. MySQL
    8.0 and newer answer with the size that a table had when somebody last asked, up to a day ago;
    chunks are cut by that size, so it is asked for anew.
    """
    if "mariadb" in server_version.lower():
        limit = f"max_statement_time={max_seconds:f}"
    else:
        limit = f"max_execution_time={math.ceil(max_seconds * 1000)}"
        if int(server_version.split(".")[0]) >= FIRST_TO_KEEP_SIZES:
            limit += ", information_schema_stats_expiry=0"
    return (
        f"SET SESSION sql_mode='', time_zone='+00:00', sql_select_limit={NO_LIMIT}, {limit}",
        "SET SESSION TRANSACTION READ ONLY",
    )
