"""``MysqlConnection``: PyMySQL's connection with three changes.

- Waits end. PyMySQL waits for ever, or for a fixed time after which a read cannot go on. Here a
  read and a write check each second whether the server is silent:
  :mod:`etl_pipeline.core.liveness`.
- The password is kept from a false server. PyMySQL follows every authentication plugin that a
  server asks for, and some reveal the password: in clear (``mysql_clear_password``, ``dialog``;
  under TLS also ``sha256_password`` and the full authentication of ``caching_sha2_password``),
  encrypted with a key that the server itself sends, or as a hash of 1998
  (``mysql_old_password``).
- TLS without a check of the certificate does not load the system's certificates, which takes 60 ms
  for each connection (measured with OpenSSL 3 and 140 of them) and is not needed.
"""

from __future__ import annotations

import functools
import io
import socket
import ssl
from collections.abc import Callable
from typing import Any

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import CR
from pymysql.protocol import MysqlPacket

from etl_pipeline.core import liveness
from etl_pipeline.core.driver_errors import LoginFinding, note_database, note_finding
from etl_pipeline.core.encryption import read_mysql_line
from etl_pipeline.core.liveness import Liveness, SessionReport, SilentError, Wait
from etl_pipeline.core.lock_holders import note_own
from etl_pipeline.core.reachability import PortAnswer, probe_port
from etl_pipeline.errors import DatabaseError

PORT_PROBE_SECONDS = 2.0
"""Time limit of each step that finds out what listens at a port, after a failed login."""
CLIENT_ERROR_NUMBERS = range(2000, 3000)
"""Error numbers that PyMySQL raises itself; the others come from the server."""
_PASSWORD_REVEALING_PLUGINS = frozenset(
    {b"mysql_clear_password", b"dialog", b"sha256_password", b"mysql_old_password"}
)
_FULL_AUTHENTICATION = b"\x01\x04"
"""perform_full_authentication of caching_sha2_password: the server has no hash in its cache."""
_ACTIVE_COMMANDS = (
    "Query",
    "Execute",
    "Prepare",
    "Killed",
    "Init DB",
    "Ping",
    "Field List",
    "Connect",
)
"""Values of COMMAND in SHOW PROCESSLIST with which a session executes something."""
_WAITING_STATES = frozenset(
    {"writing to net", "reading from net", "sending to client", "receiving from client"}
)
"""Values of STATE, in lower case, with which such a session waits for its client."""


class MysqlConnection(Connection):
    """A connection that is encrypted if the server offers TLS, unless TLS is switched off.

    Args:
        name: The database's name in pipeline.yml, for messages.
        allow_cleartext_password: Whether a server may get the password although nothing proves its
            identity. A server on this machine may get it in any case.
        watch: Liveness of the server; shared by the connections to it.
        parameters: As for ``pymysql.connect``.

    Raises:
        DatabaseError: The server asks for the password, and may not have it.
    """

    # What PyMySQL has and its type stubs leave out; a test fails if a release takes it away.
    connect_timeout: float
    server_version: str
    _sock: Any
    _rfile: Any
    _read_timeout: float | None
    _write_timeout: float | None
    _current_timeout: float | None
    _force_close: Callable[[], None]
    thread_id: Callable[[], int]

    def __init__(
        self,
        *,
        name: str = "source",
        allow_cleartext_password: bool = False,
        watch: Liveness | None = None,
        **parameters: Any,
    ) -> None:
        self.watch = watch or Liveness()
        self._session: int | None = None
        self._name = name
        self._allows_cleartext = allow_cleartext_password
        self._is_logging_in = False
        self._auth_plugin_name = ""
        super().__init__(**parameters)

    def connect(self, sock: Any = None) -> None:
        """Log in, within ``connect_timeout`` for each answer; then let ``watch`` end waits.

        Raises:
            DatabaseError: The server asks for the password, and may not have it.
            pymysql.err.MySQLError: The login failed; its ``LoginFinding`` is noted on the error.
        """
        read_limit, write_limit = self._read_timeout, self._write_timeout
        self._session = None
        self._read_timeout = self._write_timeout = self.connect_timeout
        try:
            super().connect(sock)
        except err.MySQLError as error:
            if _find_timeout(error) is not None:
                self.watch.note_silence()
            self._note_port_answer(error)
            raise
        except DatabaseError:
            raise  # the password was not sent
        except Exception as cause:
            # PyMySQL raises errors of any type when a greeting is not that of a MySQL server.
            self._force_close()
            strange = err.OperationalError(CR.CR_SERVER_HANDSHAKE_ERR, "not understood")
            note_finding(strange, LoginFinding(PortAnswer.STRANGER))
            self._note_port_answer(strange)
            raise strange from cause
        finally:
            self._read_timeout, self._write_timeout = read_limit, write_limit
        self.watch.note_answer()
        self._session = self.thread_id()
        note_own(self, str(self.host), self.port, self._session)
        self._watch_reads()

    def _note_port_answer(self, error: err.MySQLError) -> None:
        """Probe the port and note the result on *error*, unless *error* itself tells the cause."""
        number = error.args[0] if error.args else None
        is_client = not isinstance(number, int) or number in CLIENT_ERROR_NUMBERS
        is_told = (
            getattr(error, "original_exception", None) is not None
            or number == CR.CR_SSL_CONNECTION_ERROR
        )
        if self.unix_socket or not is_client or is_told:
            return
        answer = probe_port(str(self.host), self.port, timeout_seconds=PORT_PROBE_SECONDS)
        if answer is not PortAnswer.MYSQL:
            note_finding(error, LoginFinding(answer))

    def _watch_reads(self) -> None:
        _enable_keepalive(self._sock)
        self._rfile.close()
        self._rfile = io.BufferedReader(_WatchedSocket(self._sock, self._begin_read))
        self._sock.settimeout(liveness.TICK_SECONDS)
        self._current_timeout = self._read_timeout  # else PyMySQL would set the socket's time-out

    def _begin_read(self) -> Wait:
        return Wait(self.watch, self._session, self._read_timeout)

    def _write_bytes(self, data: bytes) -> None:
        rest = memoryview(data)
        wait: Wait | None = None
        try:
            while rest:
                try:
                    sent = self._sock.send(rest)
                except TimeoutError:
                    wait = wait or Wait(self.watch, self._session, self._write_timeout)
                    wait.tick(self._sock.gettimeout())
                else:
                    rest, wait = rest[sent:], None
        except OSError as error:
            self._force_close()
            raise err.OperationalError(CR.CR_SERVER_GONE_ERROR, "connection lost") from error

    def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
        if options:
            return super()._create_ssl_ctx(options)  # type: ignore[misc, no-any-return]
        return _unverified_context()

    def _request_authentication(self) -> None:
        # If the server's default plugin is sha256_password, PyMySQL sends the password before it is
        # asked to. If we name another plugin, the server asks for the account's plugin first.
        if self._auth_plugin_name == "sha256_password":
            self._auth_plugin_name = "mysql_native_password"
        self._is_logging_in = True
        try:
            super()._request_authentication()  # type: ignore[misc]
        finally:
            self._is_logging_in = False

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:
        if plugin_name in _PASSWORD_REVEALING_PLUGINS:
            self._require_trusted_server(plugin_name.decode())
        return super()._process_auth(plugin_name, *rest)  # type: ignore[misc]

    def _read_packet(self, packet_type: Any = MysqlPacket) -> Any:
        try:
            packet = super()._read_packet(packet_type)  # type: ignore[no-untyped-call]
        except err.MySQLError as error:
            note_database(error, self._name)
            raise
        if self._is_logging_in and packet.get_all_data() == _FULL_AUTHENTICATION:
            self._require_trusted_server("caching_sha2_password")
        return packet

    def _require_trusted_server(self, plugin: str) -> None:
        """Raise DatabaseError unless the server may have the password.

        It may if it is on this machine, if its certificate was verified, or if the configuration
        allows it (``allow_cleartext_password``).

        Args:
            plugin: The authentication plugin that would reveal the password, for the message.
        """
        line = read_mysql_line(self, self._name)
        if line.is_local or line.is_verified or self._allows_cleartext or not self.password:
            return
        missing = "its certificate is not checked" if line.tls else "the line is not encrypted"
        section = f"connections.{self._name}"
        raise DatabaseError(
            f"the server asks for the password itself ({plugin}), and nothing proves that it is "
            f"the server that is meant: {missing}; the password was not sent",
            where=f"{self._name} {self.host}:{self.port}",
            fix=f"{section}.ssl_ca in pipeline.yml: the file of who signed the server's "
            f"certificate; or, on a network that you trust, {section}.allow_cleartext_password: "
            "true",
        )


class _WatchedSocket(io.RawIOBase):
    """Reader of a socket that reads on after a time-out, unless ``Wait.tick`` gives up."""

    def __init__(self, sock: socket.socket, begin: Callable[[], Wait]) -> None:
        super().__init__()
        self._sock, self._begin = sock, begin

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wait: Wait | None = None
        while True:
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                wait = wait or self._begin()
                wait.tick(self._sock.gettimeout() or 0.0)


def probe_mysql(connect: Callable[[], Any]) -> SessionReport | None:
    """Ask a server which of its user's sessions are at work; return None if it does not answer.

    Args:
        connect: Logs in, with a short time limit.
    """
    try:
        connection = connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW PROCESSLIST")
                rows = [(row[0], row[4], row[6]) for row in cursor.fetchall()]
        finally:
            connection._force_close()  # noqa: SLF001 - close() would write to a server that may be silent
    except err.MySQLError as error:
        number = error.args[0] if error.args else 0
        is_silent = number in CLIENT_ERROR_NUMBERS and _find_timeout(error) is not None
        return None if is_silent else SessionReport()
    except (OSError, DatabaseError):
        return SessionReport()
    own = connection.thread_id()
    working = {
        session
        for session, command, state in rows
        if command in _ACTIVE_COMMANDS and str(state or "").casefold() not in _WAITING_STATES
    }
    return SessionReport(frozenset(working), own in {session for session, *_ in rows})


def _find_timeout(error: BaseException) -> BaseException | None:
    """Return the time-out or the silence that caused *error*; None if another fault did."""
    causes = getattr(error, "original_exception", None), error.__cause__, error.__context__
    return next((cause for cause in causes if isinstance(cause, TimeoutError | SilentError)), None)


def _enable_keepalive(sock: socket.socket) -> None:
    """Let the system end a connection whose other end no longer acknowledges packets."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = liveness.KEEPALIVE_COUNT * liveness.KEEPALIVE_INTERVAL_SECONDS
    for name, value in (
        ("TCP_KEEPIDLE", liveness.KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", liveness.KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", liveness.KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", 1000 * (liveness.KEEPALIVE_IDLE_SECONDS + seconds)),
    ):
        option = getattr(socket, name, None)  # not every system has each of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


@functools.cache
def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
