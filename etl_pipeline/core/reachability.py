"""Probe of a host and port after a failed login: what listens there, if anything does?

Drivers report many causes as one error. The probe tells them apart: a wrong name, a closed port, a
server of the other kind, something that is no database server.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from enum import Enum
from typing import TYPE_CHECKING, Final

from etl_pipeline.core.error_meaning import SERVER_DOWN, ErrorMeaning

if TYPE_CHECKING:
    from collections.abc import Mapping

GREETING_SECONDS = 1.0
"""Time in which a MySQL server sends its greeting; PostgreSQL's sends none."""
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""PostgreSQL's SSLRequest message: its length 8, then the code 80877103."""
_GREETINGS = (b"\x0a", b"\x09", b"\xff")
"""First byte of the greeting: version 10 or 9 of MySQL's protocol, or an error packet."""


class PortAnswer(Enum):
    """The result of a probe of a host and port."""

    NO_NAME = "no name"  # DNS does not know the host
    REFUSED = "refused"  # the host answers, no process listens at the port
    UNROUTABLE = "unroutable"  # the system knows no route, or may not use it
    SILENT = "silent"  # the TCP connection was not accepted in time
    MUTE = "mute"  # it was accepted, and nothing was sent in time
    MYSQL = "mysql"
    POSTGRES = "postgres"  # without TLS
    POSTGRES_TLS = "postgres with TLS"
    STRANGER = "stranger"  # what was sent is neither MySQL's protocol nor PostgreSQL's


MEANINGS: Final[Mapping[PortAnswer, ErrorMeaning]] = {
    PortAnswer.NO_NAME: ErrorMeaning(
        "there is no machine of this name, as far as this one can find out",
        "check the host in the .env_… file, and that this machine's DNS knows it",
        is_passing=True,
    ),
    PortAnswer.REFUSED: ErrorMeaning(
        "the machine does not answer at this port: no server listens there",
        "check host and port in the .env_… file, that the server is running, and that it listens "
        "on this address",
        is_passing=True,
    ),
    PortAnswer.UNROUTABLE: ErrorMeaning(
        "no way leads to this machine from here, so it does not answer",
        "check the host in the .env_… file, and the network, VPN or firewall between",
        is_passing=True,
    ),
    PortAnswer.SILENT: ErrorMeaning(
        "the machine does not answer",
        "check that it is on, the host in the .env_… file, and the network, VPN or firewall "
        "between",
        is_passing=True,
    ),
    PortAnswer.MUTE: ErrorMeaning(
        "something takes connections at this port and says nothing, so the server does not answer",
        "check the port in the .env_… file, and that the server is not stopped, frozen or full",
        is_passing=True,
    ),
    PortAnswer.MYSQL: ErrorMeaning(
        "this is the port of a MySQL server, and a PostgreSQL server is wanted",
        "name PostgreSQL's port in the .env_… file, which is mostly 5432",
    ),
    PortAnswer.POSTGRES: ErrorMeaning(
        "this is the port of a PostgreSQL server, and a MySQL server is wanted",
        "name MySQL's port in the .env_… file, which is mostly 3306",
    ),
    PortAnswer.STRANGER: ErrorMeaning(
        "what answers at this port does not speak like a database server",
        "check host and port in the .env_… file",
    ),
}


def explain_answer(answer: PortAnswer, *, wanted: PortAnswer) -> ErrorMeaning:
    """Return the meaning of *answer* for a user who expects *wanted* (MYSQL or POSTGRES).

    If a server of the wanted kind answers now, it did not when the driver tried to log in:
    ``SERVER_DOWN``.
    """
    found = PortAnswer.POSTGRES if answer is PortAnswer.POSTGRES_TLS else answer
    return SERVER_DOWN if found is wanted else MEANINGS[found]


def classify_connect_error(error: OSError) -> PortAnswer:
    """Return what *error* of ``socket.create_connection`` tells about host and port."""
    if isinstance(error, socket.gaierror):
        return PortAnswer.NO_NAME
    if isinstance(error, ConnectionRefusedError):
        return PortAnswer.REFUSED
    return PortAnswer.SILENT if isinstance(error, TimeoutError) else PortAnswer.UNROUTABLE


def probe_port(host: str, port: int, *, timeout_seconds: float) -> PortAnswer:
    """Return what listens at *host* and *port*; nothing is logged in to.

    Takes *timeout_seconds* to connect, at most, and for each of two answers.
    """
    try:
        wire = socket.create_connection((host, port), timeout_seconds)
    except OSError as error:
        return classify_connect_error(error)
    with wire:
        try:
            return _identify_server(wire, timeout_seconds)
        except TimeoutError:
            return PortAnswer.MUTE
        except OSError:
            return PortAnswer.STRANGER


def find_tls_fault(
    host: str, port: int, context: ssl.SSLContext, *, timeout_seconds: float
) -> str | None:
    """Return why TLS with the PostgreSQL server at *host* fails under *context*; None if it works.

    libpq has no number for it, only a message in the language of the process.

    Raises:
        OSError: There is no connection to *host*, or it ended.
    """
    with socket.create_connection((host, port), timeout_seconds) as wire:
        wire.sendall(_SSL_REQUEST)
        if wire.recv(1) != b"S":
            return "the server offers none"
        try:
            context.wrap_socket(wire, server_hostname=host).close()
        except ssl.SSLError as error:
            return read_tls_fault(error)
    return None


def read_tls_fault(error: ssl.SSLError) -> str:
    """Return why TLS failed, in OpenSSL's words, such as ``certificate has expired``."""
    verdict = getattr(error, "verify_message", None)
    if verdict:
        return str(verdict).rstrip(".")
    reason = getattr(error, "reason", None) or type(error).__name__
    return str(reason).replace("_", " ").lower()


def _identify_server(wire: socket.socket, timeout_seconds: float) -> PortAnswer:
    """Wait for MySQL's greeting; without one, send PostgreSQL's SSLRequest and read the letter.

    PostgreSQL answers S (TLS), N (no TLS), or E (an error).
    """
    wire.settimeout(min(GREETING_SECONDS, timeout_seconds))
    with contextlib.suppress(TimeoutError):
        greeting = wire.recv(5)
        is_mysql = greeting[3:4] == b"\0" and greeting[4:5] in _GREETINGS
        return PortAnswer.MYSQL if is_mysql else PortAnswer.STRANGER
    wire.settimeout(timeout_seconds)
    wire.sendall(_SSL_REQUEST)
    letter = wire.recv(1)
    if letter == b"S":
        return PortAnswer.POSTGRES_TLS
    return PortAnswer.POSTGRES if letter in (b"N", b"E") else PortAnswer.STRANGER
