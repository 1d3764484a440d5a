"""Causes of libpq's failed logins, for which it gives no SQLSTATE but localized words."""

from __future__ import annotations

import re
import select
import ssl
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from etl_pipeline.core.connect_args import NO_CLEARTEXT
from etl_pipeline.core.driver_errors import LoginFinding
from etl_pipeline.core.reachability import PortAnswer, find_tls_fault, probe_port

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT_PROBE_SECONDS: Final = 2.0
"""Time limit of each probe of a server that refused a login."""
_REFUSAL = re.compile(rb'\tErrorResponse\t S "[^"]*"(?: V "[^"]*")? C "(\w{5})"')
_DEMANDING_SSL_MODES = ("require", "verify-ca", "verify-full")


def examine_refusal(error: psycopg.OperationalError, parameters: Mapping[str, Any]) -> LoginFinding:
    """Find out why an attempt to connect by *parameters* ended in *error*.

    Args:
        error: From psycopg.
        parameters: Of libpq, as psycopg was given them.
    """
    host, port = str(parameters.get("host") or ""), int(parameters.get("port") or 0)
    if error.sqlstate:
        return LoginFinding()
    if _kept_password(error):
        return LoginFinding(kept_password=True)
    if host.startswith("/"):
        return LoginFinding(sqlstate=_read_sqlstate(parameters))
    answer = probe_port(host, port, timeout_seconds=PORT_PROBE_SECONDS)
    if answer not in (PortAnswer.POSTGRES, PortAnswer.POSTGRES_TLS):
        return LoginFinding(answer)
    tls_fault = None
    if parameters.get("sslmode") in _DEMANDING_SSL_MODES:
        with suppress(OSError):
            context = _make_context(parameters)
            tls_fault = find_tls_fault(host, port, context, timeout_seconds=PORT_PROBE_SECONDS)
    return LoginFinding(answer, None if tls_fault else _read_sqlstate(parameters), tls_fault)


def _kept_password(error: psycopg.OperationalError) -> bool:
    """True if libpq refused to send the password in clear, as configured.

    It has no number for that. Its text, in whatever language, quotes the parameter that we gave.
    """
    attempt = error.pgconn
    return attempt is not None and f'"{NO_CLEARTEXT}"'.encode() in attempt.error_message


def _make_context(parameters: Mapping[str, Any]) -> ssl.SSLContext:
    """Return a TLS context with libpq's checks of the server's certificate; ours is not sent."""
    authorities = parameters.get("sslrootcert")
    context = ssl.create_default_context(cafile=authorities)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = parameters["sslmode"] == "verify-full"
    is_unverified = parameters["sslmode"] == "require" and not authorities
    context.verify_mode = ssl.CERT_NONE if is_unverified else ssl.CERT_REQUIRED
    return context


def _read_sqlstate(parameters: Mapping[str, Any]) -> str | None:
    """Log in once more and read the server's reason in libpq's trace; None where there is none.

    The trace is written to a file without a name, since it may hold what proves the password.
    """
    conninfo = make_conninfo("", **{k: v for k, v in parameters.items() if k != "context"})
    attempt = pq.PGconn.connect_start(conninfo.encode())
    with tempfile.TemporaryFile() as trace:
        try:
            with suppress(psycopg.Error):  # there is no trace but on Linux
                attempt.trace(trace.fileno())
                _log_in(attempt, time.monotonic() + PORT_PROBE_SECONDS)
                attempt.untrace()
        finally:
            attempt.finish()
        trace.seek(0)
        refusals = _REFUSAL.findall(trace.read())
    return str(refusals[-1].decode()) if refusals else None


def _log_in(attempt: Any, give_up: float) -> None:
    while attempt.status != pq.ConnStatus.BAD and time.monotonic() < give_up:
        asked = attempt.connect_poll()
        if asked not in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
            return
        reads = [attempt.socket] if asked == pq.PollingStatus.READING else []
        writes = [attempt.socket] if asked == pq.PollingStatus.WRITING else []
        select.select(reads, writes, [], max(0.0, give_up - time.monotonic()))
