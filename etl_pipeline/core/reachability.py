"""Probe of a host and port where a driver could not log in."""

from __future__ import annotations

import contextlib
import socket
import ssl
from enum import Enum
from typing import TYPE_CHECKING, Final

from etl_pipeline.core.error_meaning import DOWN, ErrorMeaning

if TYPE_CHECKING:
    from collections.abc import Mapping

GREETING_SECONDS = 1.0
"""Time limit for a server that speaks first, as MySQL does."""
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_GREETINGS = (b"\x0a", b"\x09", b"\xff")
"""First bytes of MySQL's first packet: versions of the protocol, or an error."""


class Answer(Enum):
    """The result of a probe of a host and port."""

    NO_NAME = "no name"
    REFUSED = "refused"
    UNROUTABLE = "unroutable"
    SILENT = "silent"
    MUTE = "mute"
    MYSQL = "mysql"
    POSTGRES = "postgres"
    POSTGRES_TLS = "postgres with TLS"
    STRANGER = "stranger"


MEANINGS: Final[Mapping[Answer, ErrorMeaning]] = {
    Answer.NO_NAME: ErrorMeaning(
        "there is no machine of this name, as far as this one can find out",
        "check the host in the .env_… file, and that this machine's DNS knows it",
        is_passing=True,
    ),
    Answer.REFUSED: ErrorMeaning(
        "the machine does not answer at this port: no server listens there",
        "check host and port in the .env_… file, that the server is running, and that it listens "
        "on this address",
        is_passing=True,
    ),
    Answer.UNROUTABLE: ErrorMeaning(
        "no way leads to this machine from here, so it does not answer",
        "check the host in the .env_… file, and the network, VPN or firewall between",
        is_passing=True,
    ),
    Answer.SILENT: ErrorMeaning(
        "the machine does not answer",
        "check that it is on, the host in the .env_… file, and the network, VPN or firewall "
        "between",
        is_passing=True,
    ),
    Answer.MUTE: ErrorMeaning(
        "something takes connections at this port and says nothing, so the server does not answer",
        "check the port in the .env_… file, and that the server is not stopped, frozen or full",
        is_passing=True,
    ),
    Answer.MYSQL: ErrorMeaning(
        "this is the port of a MySQL server, and a PostgreSQL server is wanted",
        "name PostgreSQL's port in the .env_… file, which is mostly 5432",
    ),
    Answer.POSTGRES: ErrorMeaning(
        "this is the port of a PostgreSQL server, and a MySQL server is wanted",
        "name MySQL's port in the .env_… file, which is mostly 3306",
    ),
    Answer.STRANGER: ErrorMeaning(
        "what answers at this port does not speak like a database server",
        "check host and port in the .env_… file",
    ),
}


def meaning_of(answer: Answer, *, wanted: Answer) -> ErrorMeaning:
    """Explain *answer* where a server of *wanted*, MYSQL or POSTGRES, is expected."""
    found = Answer.POSTGRES if answer is Answer.POSTGRES_TLS else answer
    return DOWN if found is wanted else MEANINGS[found]


def read_answer(error: OSError) -> Answer:
    """Return the result of an attempt to connect that ended in *error*."""
    if isinstance(error, socket.gaierror):
        return Answer.NO_NAME
    if isinstance(error, ConnectionRefusedError):
        return Answer.REFUSED
    return Answer.SILENT if isinstance(error, TimeoutError) else Answer.UNROUTABLE


def find_answer(host: str, port: int, *, timeout_seconds: float) -> Answer:
    """Connect to *host* and say what answers, within *timeout_seconds* for each of two steps."""
    try:
        wire = socket.create_connection((host, port), timeout_seconds)
    except OSError as error:
        return read_answer(error)
    with wire:
        try:
            return _ask_who(wire, timeout_seconds)
        except TimeoutError:
            return Answer.MUTE
        except OSError:
            return Answer.STRANGER


def find_tls_fault(
    host: str, port: int, context: ssl.SSLContext, *, timeout_seconds: float
) -> str | None:
    """Return why TLS with the PostgreSQL server at *host* fails under *context*; None if it works.

    libpq tells it in words of the process's language alone.
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
    """Return why TLS failed, in OpenSSL's words: ``certificate has expired``."""
    verdict = getattr(error, "verify_message", None)
    if verdict:
        return str(verdict).rstrip(".")
    reason = getattr(error, "reason", None) or type(error).__name__
    return str(reason).replace("_", " ").lower()


def _ask_who(wire: socket.socket, timeout_seconds: float) -> Answer:
    """A MySQL server speaks first; PostgreSQL's answers a client that asks for TLS by a letter."""
    wire.settimeout(min(GREETING_SECONDS, timeout_seconds))
    with contextlib.suppress(TimeoutError):
        greeting = wire.recv(5)
        is_mysql = greeting[3:4] == b"\0" and greeting[4:5] in _GREETINGS
        return Answer.MYSQL if is_mysql else Answer.STRANGER
    wire.settimeout(timeout_seconds)
    wire.sendall(_SSL_REQUEST)
    letter = wire.recv(1)
    if letter == b"S":
        return Answer.POSTGRES_TLS
    return Answer.POSTGRES if letter in (b"N", b"E") else Answer.STRANGER
