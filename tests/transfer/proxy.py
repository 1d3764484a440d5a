"""A proxy between client and server that cuts, stalls, swallows or falsifies what passes it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

Change = Callable[[bytes], bytes]

_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a free port, of the loopback if not told otherwise, and passes connections on.

    Attributes:
        address: Where clients connect to; *port* likewise.
        to_client: Falsifies what the server says; set by the test, as is *to_server*.
        is_dark: Whether nothing passes any more, in either direction, and nobody is told; new
            connections are accepted, and hear nothing. Set by the test.
        before_request: Called before what a client says is passed on.
        client_bytes: How many bytes have gone to the client; *server_bytes* likewise.
    """

    def __init__(self, host: str, port: int, address: str = "127.0.0.1") -> None:
        self._server = host, port
        self.address, self.port = address, 0
        self.to_client: Change = bytes
        self.to_server: Change = bytes
        self.before_request: Callable[[], None] = lambda: None
        self.client_bytes = 0
        self.server_bytes = 0
        self.is_dark = False
        self._left: int | None = None
        self._stalls = False
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.admit()

    def cut_after(self, count: int) -> None:
        """Close the connection once *count* more bytes have gone to the client."""
        self._left, self._stalls = count, False

    def stall_after(self, count: int) -> None:
        """Be silent, with the connection open, once *count* more bytes have gone to the client."""
        self._left, self._stalls = count, True

    def hold(self) -> None:
        """Let nothing through, not even the end of a connection, until `release`."""
        self._flows.clear()

    def release(self) -> None:
        """Let through what was held, and all that comes."""
        self._flows.set()

    def cut(self) -> None:
        """Reset every connection, on both sides; new ones are taken as before."""
        cut, self._sockets = self._sockets, []
        for each in cut:
            _arm_reset(each)
        self.release()

    def admit(self) -> None:
        """Take connections, at the port of before; nothing where they are taken already."""
        if self._listener is None:
            self._listener = socket.create_server((self.address, self.port))
            self.port = self._listener.getsockname()[1]
            self._begin(self._accept, self._listener)

    def refuse(self) -> None:
        """Let the machine refuse new connections, as it does for a server that is not there."""
        if self._listener is not None:
            _end(self._listener)
            self._listener = None

    def close(self) -> None:
        """End all connections and threads."""
        self.refuse()
        self.release()
        for each in self._sockets:
            _end(each)
        for thread in self._threads:
            thread.join()

    def _begin(self, target: Callable[..., None], *args: object, **options: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, kwargs=options))
        self._threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._left = None
            self._flows.wait()
            try:
                server = socket.create_connection(self._server)
            except OSError:
                _reset(client)
                continue
            self._sockets += [client, server]
            self._begin(self._pump, client, server, to_client=False)
            self._begin(self._pump, server, client, to_client=True)

    def _pump(self, source: socket.socket, target: socket.socket, *, to_client: bool) -> None:
        end = _end
        try:
            while data := self._receive(source):
                if self.is_dark:
                    continue
                if not to_client:
                    self.before_request()
                self._flows.wait()
                data = self.to_client(data) if to_client else self.to_server(data)
                if to_client and self._left is not None:
                    data = data[: self._left]
                    self._left -= len(data)
                if to_client:
                    self.client_bytes += len(data)
                else:
                    self.server_bytes += len(data)
                target.sendall(data)
                if to_client and self._left == 0:
                    if not self._stalls:
                        break
                    self._left = None
                    while source.recv(1 << 16):
                        pass
        except ConnectionResetError:
            end = _reset
        except OSError:
            pass
        for each in (source, target):
            end(each)

    def _receive(self, source: socket.socket) -> bytes:
        data = source.recv(1 << 16)
        self._flows.wait()
        return data


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        if each.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET)) != _RESET:
            each.shutdown(socket.SHUT_RDWR)
    each.close()


def _reset(each: socket.socket) -> None:
    _arm_reset(each)
    each.close()


def _arm_reset(each: socket.socket) -> None:
    """Have *each* reset its connection when it is closed, and wake whoever reads from it."""
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        each.shutdown(socket.SHUT_RD)


@contextlib.contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """A proxy that is gone with the block."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
