"""A false server that asks for the password in one of the ways that hand it over."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Talk = Callable[[socket.socket], None]

SALT = b"12345678901234567890"
_TLS, _OTHERS = 0x0800, 0x0008_A201
"""Capabilities: TLS; and protocol 4.1, its way to log in, plugins, and long passwords."""


class FalseServer:
    """Listens on *host*, talks to each client in a thread, and keeps what it was sent."""

    def __init__(self, host: str, talk: Callable[[FalseServer, socket.socket], None]) -> None:
        self.heard: list[bytes] = []
        self._talk = talk
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._hear, args=(client,), daemon=True).start()

    def _hear(self, client: socket.socket) -> None:
        client.settimeout(5)
        with client, contextlib.suppress(OSError, EOFError):
            self._talk(self, client)

    def close(self) -> None:
        self._listener.close()


@contextlib.contextmanager
def false_server(
    host: str, talk: Callable[[FalseServer, socket.socket], None]
) -> Iterator[FalseServer]:
    server = FalseServer(host, talk)
    try:
        yield server
    finally:
        server.close()


def _receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _read(server: FalseServer, client: socket.socket) -> tuple[int, bytes]:
    head = _receive(client, 4)
    body = _receive(client, head[0] | head[1] << 8 | head[2] << 16)
    server.heard.append(body)
    return head[3], body


def _send(client: socket.socket, number: int, body: bytes) -> None:
    client.sendall(struct.pack("<I", len(body))[:3] + bytes([number]) + body)


def _greet(client: socket.socket, plugin: str, capabilities: int) -> None:
    greeting = b"\x0a8.0.36\0" + struct.pack("<I", 1) + SALT[:8] + b"\0"
    greeting += struct.pack("<HBHH", capabilities & 0xFFFF, 45, 2, capabilities >> 16)
    greeting += bytes([21]) + bytes(10) + SALT[8:] + b"\0" + plugin.encode() + b"\0"
    _send(client, 0, greeting)


def mysql(
    asks: str,
    *,
    greets: str = "mysql_native_password",
    certificate: tuple[Path, Path] | None = None,
) -> Callable[[FalseServer, socket.socket], None]:
    """A MySQL server that asks by the plugin *asks*, under TLS where it has a *certificate*."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def talk(server: FalseServer, plain: socket.socket) -> None:
        _greet(plain, greets, _OTHERS | (_TLS if certificate else 0))
        client, (number, _) = plain, _read(server, plain)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            client = context.wrap_socket(plain, server_side=True)
            number, _ = _read(server, client)
        if asks != greets or asks == "sha256_password":  # the client did not go along
            prompt = b"\x05Password: " if asks == "dialog" else SALT + b"\0"
            _send(client, number + 1, b"\xfe" + asks.encode() + b"\0" + prompt)
            number, _ = _read(server, client)
        if asks == "caching_sha2_password":
            _send(client, number + 1, b"\x01\x04")
            number, body = _read(server, client)
            if body != b"\x02":
                return
        if asks.endswith(("sha2_password", "sha256_password")):
            _send(client, number + 1, b"\x01" + pem)
            _read(server, client)

    return talk


def postgres(server: FalseServer, client: socket.socket) -> None:
    """A PostgreSQL server without TLS that asks for the password in clear."""
    while True:
        (size,) = struct.unpack("!I", _receive(client, 4))
        if _receive(client, size - 4)[:4] != struct.pack("!I", 80877103):
            break
        client.sendall(b"N")
    client.sendall(b"R" + struct.pack("!II", 8, 3))
    kind = _receive(client, 1)
    (size,) = struct.unpack("!I", _receive(client, 4))
    server.heard.append(kind + _receive(client, size - 4))


def has_given_away(heard: list[bytes], password: str) -> bool:
    """Whether what was *heard* holds the password, in clear or for the server's own key."""
    return any(password.encode() in one or len(one) == 256 for one in heard)
