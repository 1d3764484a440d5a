"""A connection pooler for PostgreSQL of the tests' own, as pgbouncer is one.

It lets clients in by the server's own word, tells each an invented number of its session, and
hands every transaction to one session of the server that all clients share.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from enum import Enum

_NO_ENCRYPTION = (80877103, 80877104)
_CANCEL = 80877102
_ASKS_CLIENT = (3, 5, 10, 11)
"""Of the ways to log in, those whose message the client answers."""


class Mode(Enum):
    """What a pooler does to its clients."""

    TRANSACTION = "each transaction in a session that all clients share"
    DROPS_OPTIONS = "a session each, without the settings that the client asked for"
    SESSION = "a session each"
    REFUSES = "no client with settings of its own"


class Pooler:
    """Listens on a free port of the loopback, before the server at *host* and *port*."""

    def __init__(self, host: str, port: int, mode: Mode) -> None:
        self._server, self._mode = (host, port), mode
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._turn = threading.Lock()
        self._shared: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End all connections and threads."""
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            self._threads.append(threading.Thread(target=self._serve, args=(client,)))
            self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            begin = _read_begin(client)
            if self._mode is Mode.REFUSES and b"\0options\0" in begin:
                body = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
                client.sendall(b"E" + struct.pack("!i", len(body) + 4) + body)
            elif begin:
                self._pass_on(client, self._log_in(client, begin))
        client.close()

    def _log_in(self, client: socket.socket, begin: bytes) -> socket.socket:
        """The session of the server that the client gets."""
        if self._mode is Mode.DROPS_OPTIONS:
            names = begin[8:].split(b"\0")
            place = names.index(b"options")
            del names[place : place + 2]
            begin = b"\0".join(names)
            begin = struct.pack("!ii", len(begin) + 8, 196608) + begin
        server = socket.create_connection(self._server)
        self._sockets.append(server)
        server.sendall(begin)
        kind = b""
        while kind != b"Z":
            kind, body = _read(server)
            body = struct.pack("!ii", 1_000_000 + len(self._sockets), 7) if kind == b"K" else body
            _send(client, kind, body)
            if kind == b"R" and struct.unpack("!i", body[:4])[0] in _ASKS_CLIENT:
                _send(server, *_read(client))
        if self._mode is Mode.TRANSACTION:
            self._shared = self._shared or server
            if self._shared is not server:
                _send(server, b"X", b"")
            return self._shared
        return server

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        if self._mode is not Mode.TRANSACTION:
            self._threads.append(threading.Thread(target=_pump, args=(server, client)))
            self._threads[-1].start()
            _pump(client, server)
            return
        while True:
            message = _read(client)
            if message[0] == b"X":
                return
            with self._turn:
                while True:  # until the transaction ends
                    _send(server, *message)
                    if message[0] in (b"Q", b"S") and _answer(server, client) == b"I":
                        break
                    message = _read(client)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _answer(server: socket.socket, client: socket.socket) -> bytes:
    """Pass the server's answer on; how its transaction stands then."""
    while True:
        kind, body = _read(server)
        _send(client, kind, body)
        if kind == b"Z":
            return body


def _read_begin(client: socket.socket) -> bytes:
    """What a client begins with, after it was told that nothing is encrypted."""
    while True:
        head = _take(client, 8)
        length, code = struct.unpack("!ii", head)
        rest = _take(client, length - 8)
        if code not in _NO_ENCRYPTION:
            return b"" if code == _CANCEL else head + rest
        client.sendall(b"N")


def _read(sock: socket.socket) -> tuple[bytes, bytes]:
    kind = _take(sock, 1)
    (length,) = struct.unpack("!i", _take(sock, 4))
    return kind, _take(sock, length - 4)


def _send(sock: socket.socket, kind: bytes, body: bytes) -> None:
    sock.sendall(kind + struct.pack("!i", len(body) + 4) + body)


def _take(sock: socket.socket, count: int) -> bytes:
    taken = b""
    while len(taken) < count:
        block = sock.recv(count - len(taken))
        if not block:
            raise EOFError
        taken += block
    return taken


@contextlib.contextmanager
def pooler_to(host: str, port: int, mode: Mode) -> Iterator[Pooler]:
    """A pooler that is gone with the block."""
    pooler = Pooler(host, port, mode)
    try:
        yield pooler
    finally:
        pooler.close()
