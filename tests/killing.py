"""Ends a run as a kill would: at a chosen moment nothing more of it reaches a server.

What a server has committed by then stays; everything else is rolled back when it sees the
connections close. Moments are the changes that last: a commit, DDL, a statement in autocommit
mode. Between two of them a kill leaves the same behind.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from etl_pipeline.core.mysql_connection import MysqlConnection
from etl_pipeline.core.postgres_connection import PostgresConnection
from tests.conftest import Lab

_LASTING = re.compile(rb"\s*(CREATE|DROP|ALTER|RENAME|TRUNCATE)\b(?!\s+TEMPORARY)", re.IGNORECASE)


class KilledError(Exception):
    """Raised where the process would not be any more."""


class Killer:
    """Counts lasting changes; at the chosen one the process is dead, before it or after it."""

    def __init__(self, at: int | None, *, after: bool) -> None:
        self._at, self._after = at, after
        self._lock = threading.Lock()
        self.count = 0
        self.is_dead = False

    def live(self) -> None:
        """Raise if the process is dead."""
        if self.is_dead:
            raise KilledError

    @contextlib.contextmanager
    def lasting(self) -> Iterator[None]:
        """Around a change that lasts."""
        with self._lock:
            self.live()
            self.count += 1
            is_it = self.count == self._at
            if is_it and not self._after:
                self.is_dead = True
                raise KilledError
            yield
            if is_it:
                self.is_dead = True
                raise KilledError


@contextlib.contextmanager
def killing(at: int | None = None, *, after: bool = True) -> Iterator[Killer]:
    """While the block runs, the connections of this process end at lasting change *at*.

    None: they only count.
    """
    killer = Killer(at, after=after)
    # The program's own classes: a method that one overrides is not called at the driver's.
    mysql: Any = MysqlConnection
    commit, query, wait = mysql.commit, mysql._execute_command, PostgresConnection.wait

    def commit_or_die(self: Any) -> None:
        with killer.lasting():
            commit(self)

    def query_or_die(self: Any, command: int, sql: Any) -> None:
        killer.live()
        text = sql.encode() if isinstance(sql, str) else bytes(sql)
        with killer.lasting() if _LASTING.match(text) else contextlib.nullcontext():
            query(self, command, sql)

    def wait_or_die(self: Any, gen: Any, *args: Any, **options: Any) -> Any:
        killer.live()
        name = getattr(gen, "__qualname__", "")
        is_lasting = "commit" in name or "exit" in name
        if self.autocommit and not is_lasting:
            query = str(getattr(gen, "gi_frame", None) and gen.gi_frame.f_locals.get("query"))
            is_lasting = not query.lstrip("b'\" \n").upper().startswith(("SELECT", "WITH"))
        with killer.lasting() if is_lasting else contextlib.nullcontext():
            return wait(self, gen, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mysql, "commit", commit_or_die)
        patch.setattr(mysql, "_execute_command", query_or_die)
        patch.setattr(PostgresConnection, "wait", wait_or_die)
        yield killer


def wait_for_the_lock(lab: Lab) -> None:
    """Until the server has seen that the killed run's connections are closed."""
    for _ in range(500):
        row = lab.analytics.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
            "WHERE locktype = 'advisory' AND datname = current_database()"
        ).fetchone()
        if row and row[0] == 0:
            return
        lab.analytics.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the lock was not let go")
