"""The threads that read and write chunks, shared by all tables of a run.

A table has a thread of its own that decides and waits; what talks to the MySQL servers is
done by workers, so their number bounds the load on the source, however many tables are at work.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from functools import cached_property
from typing import Any, TypeVar

from pymysql.connections import Connection

from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.databases import Databases, lend_mysql, lend_source
from etl_pipeline.core.source_connection import SourceConnection

MOST_AT_ONCE = 8
"""Upper bound of the default for what is done side by side: tables, chunks, dbt's models."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_parallelism(room: int = MOST_AT_ONCE) -> int:
    """Return how much is done side by side unless configured: at least 1, at most *room*.

    It is one piece of work for each processor, and no more than ``MOST_AT_ONCE``.
    """
    return max(1, min(os.cpu_count() or 1, MOST_AT_ONCE, room))


class Worker:
    """The connections of one piece of work, lent when they are first asked for."""

    def __init__(
        self, databases: Databases, stop: Cancellation, lent: contextlib.ExitStack
    ) -> None:
        self._databases, self._lent = databases, lent
        self.stop = stop

    @cached_property
    def source(self) -> SourceConnection:
        """A connection to the source, read-only."""
        return self._lent.enter_context(lend_source(self._databases.source, self.stop))

    @cached_property
    def replication(self) -> Connection[Any]:
        """A connection to the replication database; the work commits."""
        return self._lent.enter_context(lend_mysql(self._databases.replication, self.stop))


class Workers:
    """Does pieces of work side by side.

    Args:
        databases: Where connections are lent from; each worker takes one of either MySQL database.
        executor: Its threads are the workers. Work handed in must not hand in work itself.
        count: The number of workers.
        stop: Cancels the statements at work.
    """

    def __init__(
        self, databases: Databases, executor: Executor, count: int, stop: Cancellation
    ) -> None:
        self._databases, self._executor, self._count = databases, executor, count
        self.stop = stop

    def call(self, do: Callable[[Worker], Result]) -> Result:
        """Run *do* in a worker thread and return its result; an error closes its connections."""
        return self._executor.submit(self._work, do).result()

    def each(
        self, do: Callable[[Worker, Item], Result], items: Iterable[Item], *, singly: bool
    ) -> Iterator[Result]:
        """Run *do* for each of *items* and yield the results in the order of *items*.

        When *do* raises, or the caller goes away, what is under way is waited for and the rest is
        not begun.

        Args:
            do: Does one piece of work.
            items: What is to be done.
            singly: Whether each is begun when the one before has been taken, since it needs much
                memory. Else as many are under way, or done and not yet taken, as there are
                workers, and one to follow.
        """
        most = 1 if singly else self._count + 1
        ahead: deque[Future[Result]] = deque()
        try:
            for item in items:
                if len(ahead) == most:
                    yield ahead.popleft().result()
                ahead.append(self._executor.submit(self._work, do, item))
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
            wait(ahead)

    def _work(self, do: Callable[..., Result], *items: Any) -> Result:
        self.stop.check()
        with contextlib.ExitStack() as lent:
            return do(Worker(self._databases, self.stop, lent), *items)
