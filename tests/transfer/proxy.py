"""A proxy between client and server that cuts, stalls or falsifies what passes through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Change = Callable[[bytes], bytes]


class Proxy:
    """Listens on a free port of the loopback and passes connections on.

    Attributes:
        port: Where clients connect to.
        to_client: Falsifies what the server says; set by the test, as is *to_server*.
        is_dark: Whether nothing passes any more, in either direction, and nobody is told; new
            connections are accepted, and hear nothing. Set by the test.
        client_bytes: How many bytes have gone to the client; *server_bytes* likewise.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.to_client: Change = bytes
        self.to_server: Change = bytes
        self.client_bytes = 0
        self.server_bytes = 0
        self.is_dark = False
        self._left: int | None = None
        self._stalls = False
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut_after(self, count: int) -> None:
        """Close the connection once *count* more bytes have gone to the client."""
        self._left, self._stalls = count, False

    def stall_after(self, count: int) -> None:
        """Be silent, with the connection open, once *count* more bytes have gone to the client."""
        self._left, self._stalls = count, True

    def close(self) -> None:
        """End all connections and threads."""
        for each in (self._listener, *self._sockets):
            _end(each)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._left = None
            server = socket.create_connection(self._server)
            self._sockets += [client, server]
            for start in (
                lambda c=client, s=server: self._pump(c, s, to_client=False),
                lambda c=client, s=server: self._pump(s, c, to_client=True),
            ):
                self._threads.append(threading.Thread(target=start))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket, *, to_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.is_dark:
                    continue
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
        for each in (source, target):
            _end(each)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextlib.contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """A proxy that is gone with the block."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
