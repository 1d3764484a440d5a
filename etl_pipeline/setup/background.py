"""Work on daemon threads: a name server may take a minute to give no answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

NAME_SECONDS = 3.0
"""Time limit to look up the names of all hosts together."""


def begin(do: Callable[[], Result]) -> Future[Result]:
    """Call *do* on a daemon thread, and return the future of its result."""
    future: Future[Result] = Future()

    def work() -> None:
        try:
            future.set_result(do())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


class Addresses:
    """The addresses of hosts; each is looked up once, and all at the same time."""

    def __init__(self) -> None:
        self._begun: dict[str, Future[set[str]]] = {}
        self._give_up = time.monotonic() + NAME_SECONDS

    def begin(self, host: str) -> None:
        """Begin to look up *host*, unless that has begun."""
        if host not in self._begun:
            self._begun[host] = begin(lambda: _resolve(host))

    def of(self, host: str) -> set[str]:
        """Return the addresses of *host*, or its name if they are not known in time."""
        self.begin(host)
        try:
            return self._begun[host].result(max(0.0, self._give_up - time.monotonic()))
        except (OSError, TimeoutError, UnicodeError):
            return {host}


def _resolve(host: str) -> set[str]:
    return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
