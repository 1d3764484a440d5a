"""The driver's connection to a MySQL server: TLS at no more than its cost, a password kept.

PyMySQL answers whatever way to log in a server asks for. Some of them hand over the password:
in clear (``mysql_clear_password``, ``dialog``, the full form of ``caching_sha2_password`` and
``sha256_password`` under TLS), or encrypted for a key that the server itself sends, or as a hash
of 1998 (``mysql_old_password``). A false server asks for those.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import CR
from pymysql.protocol import MysqlPacket

from etl_pipeline.core.faults import Finding, note_finding
from etl_pipeline.core.line import read_mysql_line
from etl_pipeline.core.reach import Answer, find_answer
from etl_pipeline.errors import DatabaseError

LOOK_SECONDS = 2.0
"""How long each look at a server that does not greet as MySQL's do may take."""
CLIENT_NUMBERS = range(2000, 3000)
"""Numbers that PyMySQL gives; others are the server's."""
_REVEALING = frozenset(
    {b"mysql_clear_password", b"dialog", b"sha256_password", b"mysql_old_password"}
)
_FULL_LOGIN = b"\x01\x04"
"""A server's packet in caching_sha2_password: it does not know the password's hash by heart."""


class MysqlConnection(Connection):
    """A connection that is encrypted where the server offers it, unless it is told otherwise.

    That is PyMySQL's own way, which reads the system's authorities anew for every connection, 60 ms
    of processor each (measured with OpenSSL 3 and 140 of them), and then asks none of them.

    Args:
        name: What the database is called in pipeline.yml, for messages.
        allow_cleartext_password: Whether the server gets the password where nothing proves that
            it is the server that is meant. On this machine it gets it in any case.
        parameters: As for ``pymysql.connect``.

    Raises:
        DatabaseError: The server asks for the password, and may not have it.
    """

    # What PyMySQL has and its type stubs leave out; a test fails if a release takes it away.
    connect_timeout: float
    _read_timeout: float | None
    _force_close: Any

    def __init__(
        self, *, name: str = "source", allow_cleartext_password: bool = False, **parameters: Any
    ) -> None:
        self._name = name
        self._allows_cleartext = allow_cleartext_password
        self._is_logging_in = False
        self._auth_plugin_name = ""
        super().__init__(**parameters)

    def connect(self, sock: Any = None) -> None:
        """Log in, within ``connect_timeout`` for each answer of the server.

        Raises:
            DatabaseError: The server asks for the password, and may not have it.
            pymysql.err.MySQLError: What is known of why not is noted on it.
        """
        patience, self._read_timeout = self._read_timeout, self.connect_timeout
        try:
            super().connect(sock)
        except err.MySQLError as error:
            self._look_at_port(error)
            raise
        except DatabaseError:
            raise  # the password was kept
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

    def _request_authentication(self) -> None:
        # To a server whose own way is this one, PyMySQL would send the password before it is asked.
        # With another word it asks for the way of the account.
        if self._auth_plugin_name == "sha256_password":
            self._auth_plugin_name = "mysql_native_password"
        self._is_logging_in = True
        try:
            super()._request_authentication()  # type: ignore[misc]
        finally:
            self._is_logging_in = False

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:
        if plugin_name in _REVEALING:
            self._keep_password(plugin_name.decode())
        return super()._process_auth(plugin_name, *rest)  # type: ignore[misc]

    def _read_packet(self, packet_type: Any = MysqlPacket) -> Any:
        packet = super()._read_packet(packet_type)  # type: ignore[no-untyped-call]
        if self._is_logging_in and packet.get_all_data() == _FULL_LOGIN:
            self._keep_password("caching_sha2_password")
        return packet

    def _keep_password(self, way: str) -> None:
        """Raise DatabaseError unless the server may have the password."""
        line = read_mysql_line(self, self._name)
        if line.is_local or line.is_verified or self._allows_cleartext or not self.password:
            return
        missing = "its certificate is not checked" if line.tls else "the line is not encrypted"
        section = f"connections.{self._name}"
        raise DatabaseError(
            f"the server asks for the password itself ({way}), and nothing proves that it is the "
            f"server that is meant: {missing}; the password was not sent",
            where=f"{self._name} {self.host}:{self.port}",
            fix=f"{section}.ssl_ca in pipeline.yml: the file of who signed the server's "
            f"certificate; or, on a network that you trust, {section}.allow_cleartext_password: "
            "true",
        )


@functools.cache
def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
