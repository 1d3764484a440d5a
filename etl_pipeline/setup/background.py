"""Work on threads that nobody has to wait for: a name server may take a minute to say nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

NAME_SECONDS = 3.0
"""How long the names of all hosts together may take to be found."""


def begin(do: Callable[[], Result]) -> Future[Result]:
    """What *do* returns or raises, when it does; the process does not wait for it to end."""
    future: Future[Result] = Future()

    def work() -> None:
        try:
            future.set_result(do())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


class Addresses:
    """The addresses of hosts, each looked up once and all of them side by side."""

    def __init__(self) -> None:
        self._begun: dict[str, Future[set[str]]] = {}
        self._give_up = time.monotonic() + NAME_SECONDS

    def begin(self, host: str) -> None:
        """Look *host* up, unless that has begun."""
        if host not in self._begun:
            self._begun[host] = begin(lambda: _look_up(host))

    def of(self, host: str) -> set[str]:
        """The addresses of *host*; its name where they are not known in time."""
        self.begin(host)
        try:
            return self._begun[host].result(max(0.0, self._give_up - time.monotonic()))
        except (OSError, TimeoutError, UnicodeError):
            return {host}


def _look_up(host: str) -> set[str]:
    return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
