"""The driver's connection to a MySQL server, with TLS that costs no more than it must."""

from __future__ import annotations

import functools
import ssl
from typing import Any

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import CR

from etl_pipeline.core.faults import Finding, note_finding
from etl_pipeline.core.reach import Answer, find_answer

LOOK_SECONDS = 2.0
"""How long each look at a server that does not greet as MySQL's do may take."""
CLIENT_NUMBERS = range(2000, 3000)
"""Numbers that PyMySQL gives; others are the server's."""


class MysqlConnection(Connection):
    """A connection that is encrypted where the server offers it, unless it is told otherwise.

    That is PyMySQL's own way, which reads the system's authorities anew for every connection, 60 ms
    of processor each (measured with OpenSSL 3 and 140 of them), and then asks none of them.
    """

    # What PyMySQL has and its type stubs leave out; a test fails if a release takes it away.
    connect_timeout: float
    _read_timeout: float | None
    _force_close: Any

    def connect(self, sock: Any = None) -> None:
        """Log in, within ``connect_timeout`` for each answer of the server.

        Raises:
            pymysql.err.MySQLError: What is known of why not is noted on it.
        """
        patience, self._read_timeout = self._read_timeout, self.connect_timeout
        try:
            super().connect(sock)
        except err.MySQLError as error:
            self._look_at_port(error)
            raise
        except Exception as cause:
            # PyMySQL met what is no greeting of a MySQL server.
            self._force_close()
            strange = err.OperationalError(CR.CR_SERVER_HANDSHAKE_ERR, "not understood")
            note_finding(strange, Finding(Answer.STRANGER))
            self._look_at_port(strange)
            raise strange from cause
        finally:
            self._read_timeout = patience

    def _look_at_port(self, error: err.MySQLError) -> None:
        """Note on *error* what answers, where a connection was made and no server sent it."""
        number = error.args[0] if error.args else None
        is_client = not isinstance(number, int) or number in CLIENT_NUMBERS
        is_told = (
            getattr(error, "original_exception", None) is not None
            or number == CR.CR_SSL_CONNECTION_ERROR
        )
        if self.unix_socket or not is_client or is_told:
            return
        answer = find_answer(str(self.host), self.port, timeout_seconds=LOOK_SECONDS)
        if answer is not Answer.MYSQL:
            note_finding(error, Finding(answer))

    def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
        if options:
            return super()._create_ssl_ctx(options)  # type: ignore[misc, no-any-return]
        return _unverified_context()


@functools.cache
def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
