"""The driver's connection to a MySQL server: waits that end, TLS at no more than its cost.

PyMySQL waits for ever, or for a fixed time after which a read cannot go on. Here a read and a
write look up each second, and end when the server is silent: see :mod:`etl_pipeline.core.liveness`.

PyMySQL answers whatever way to log in a server asks for. Some of them hand over the password:
in clear (``mysql_clear_password``, ``dialog``, the full form of ``caching_sha2_password`` and
``sha256_password`` under TLS), or encrypted for a key that the server itself sends, or as a hash
of 1998 (``mysql_old_password``). A false server asks for those.
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
from etl_pipeline.core.reachability import Answer, find_answer
from etl_pipeline.errors import DatabaseError

PORT_PROBE_SECONDS = 2.0
"""Time limit of each probe of a server that does not greet as MySQL does."""
CLIENT_NUMBERS = range(2000, 3000)
"""Numbers that PyMySQL gives; others are the server's."""
_REVEALING = frozenset(
    {b"mysql_clear_password", b"dialog", b"sha256_password", b"mysql_old_password"}
)
_FULL_LOGIN = b"\x01\x04"
"""A server's packet in caching_sha2_password: it does not know the password's hash by heart."""

_AT_WORK = ("Query", "Execute", "Prepare", "Killed", "Init DB", "Ping", "Field List", "Connect")
_WAITING_STATES = frozenset(
    {"writing to net", "reading from net", "sending to client", "receiving from client"}
)


class MysqlConnection(Connection):
    """A connection that is encrypted if the server offers it, unless TLS is switched off.

    That is PyMySQL's own way, which reads the system's authorities anew for every connection, 60 ms
    of processor each (measured with OpenSSL 3 and 140 of them), and then asks none of them.

    Args:
        name: What the database is called in pipeline.yml, for messages.
        allow_cleartext_password: Whether the server gets the password where nothing proves that
            it is the server that is meant. On this machine it gets it in any case.
        watch: Tells whether the server is alive; shared by the connections to it.
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
        """Log in, within ``connect_timeout`` for each answer; then look up while waiting.

        Raises:
            DatabaseError: The server asks for the password, and may not have it.
            pymysql.err.MySQLError: What is known of why not is noted on it.
        """
        read_limit, write_limit = self._read_timeout, self._write_timeout
        self._session = None
        self._read_timeout = self._write_timeout = self.connect_timeout
        try:
            super().connect(sock)
        except err.MySQLError as error:
            if _find_timeout(error) is not None:
                self.watch.note_silence()
            self._probe_port(error)
            raise
        except DatabaseError:
            raise  # the password was kept
        except Exception as cause:
            # PyMySQL met what is no greeting of a MySQL server.
            self._force_close()
            strange = err.OperationalError(CR.CR_SERVER_HANDSHAKE_ERR, "not understood")
            note_finding(strange, LoginFinding(Answer.STRANGER))
            self._probe_port(strange)
            raise strange from cause
        finally:
            self._read_timeout, self._write_timeout = read_limit, write_limit
        self.watch.note_life()
        self._session = self.thread_id()
        note_own(self, str(self.host), self.port, self._session)
        self._watch_reads()

    def _probe_port(self, error: err.MySQLError) -> None:
        """Note on *error* what answers, where a connection was made and no server sent it."""
        number = error.args[0] if error.args else None
        is_client = not isinstance(number, int) or number in CLIENT_NUMBERS
        is_told = (
            getattr(error, "original_exception", None) is not None
            or number == CR.CR_SSL_CONNECTION_ERROR
        )
        if self.unix_socket or not is_client or is_told:
            return
        answer = find_answer(str(self.host), self.port, timeout_seconds=PORT_PROBE_SECONDS)
        if answer is not Answer.MYSQL:
            note_finding(error, LoginFinding(answer))

    def _watch_reads(self) -> None:
        _notice_dark_lines(self._sock)
        self._rfile.close()
        self._rfile = io.BufferedReader(_Reading(self._sock, self._begin_read))
        self._sock.settimeout(liveness.TICK_SECONDS)
        self._current_timeout = self._read_timeout  # so PyMySQL leaves the socket's as it is

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
        try:
            packet = super()._read_packet(packet_type)  # type: ignore[no-untyped-call]
        except err.MySQLError as error:
            note_database(error, self._name)
            raise
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


class _Reading(io.RawIOBase):
    """Reads a socket whose time-outs are no ends: after each of them the wait looks up."""

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


def ask_mysql(connect: Callable[[], Any]) -> SessionReport | None:
    """Ask a server for its user's sessions; None if it does not answer.

    Args:
        connect: Makes a connection that does not wait long.
    """
    try:
        connection = connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW PROCESSLIST")
                rows = [(row[0], row[4], row[6]) for row in cursor.fetchall()]
        finally:
            connection._force_close()  # noqa: SLF001 - no word to a server that may be silent
    except err.MySQLError as error:
        number = error.args[0] if error.args else 0
        is_silent = number in CLIENT_NUMBERS and _find_timeout(error) is not None
        return None if is_silent else SessionReport()
    except (OSError, DatabaseError):
        return SessionReport()
    own = connection.thread_id()
    working = {
        session
        for session, command, state in rows
        if command in _AT_WORK and str(state or "").casefold() not in _WAITING_STATES
    }
    return SessionReport(frozenset(working), own in {session for session, *_ in rows})


def _find_timeout(error: BaseException) -> BaseException | None:
    """Return the cause of *error* that tells of an answer that came too late."""
    causes = getattr(error, "original_exception", None), error.__cause__, error.__context__
    return next((cause for cause in causes if isinstance(cause, TimeoutError | SilentError)), None)


def _notice_dark_lines(sock: socket.socket) -> None:
    """Let the system end a connection whose other end acknowledges nothing."""
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
