"""Refuse a warehouse behind a connection pooler that hands out no sessions of its own.

Locks, temporary tables and settings belong to a session of PostgreSQL. Behind pgbouncer in
transaction mode each transaction is another's, and ours would meet what they left: so it is
noticed before anything is begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl_pipeline.core.connect_args import SESSION_OPTIONS
from etl_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

ROUNDS = 4
"""A pooler mostly gives away what came back last; other clients of it may come between."""
SHOWN = 3
FIX = (
    "name host and port of PostgreSQL itself in the .env_… file, not those of the pooler: "
    "a session is needed"
)
_SETTINGS = [word.partition("=")[0] for word in SESSION_OPTIONS.split() if "=" in word]
_DROPPED = (
    "SELECT name FROM pg_settings WHERE lower(name) = ANY(%s) "
    "AND source NOT IN ('client', 'session') ORDER BY name"
)


def refuse_pooler(engine: Engine, where: str) -> None:
    """Raise ConfigurationError if connections of *engine* are no sessions of PostgreSQL.

    A server that is connected to directly is asked one thing: the number of the session, which a
    pooler cannot know when it lets somebody in.

    Args:
        engine: Of the warehouse.
        where: For the message.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The server refused or does not answer.
    """
    with engine.connect() as first:
        driver: Any = first.connection.driver_connection
        session = _session(first)
        first.rollback()
        if session == driver.info.backend_pid:
            return
        with engine.connect() as second:
            seen: tuple[set[int], set[int]] = {session}, set()
            for _ in range(ROUNDS):
                for connection, sessions in ((second, seen[1]), (first, seen[0])):
                    sessions.add(_session(connection))
                    connection.rollback()
        names = [str(name).lower() for name in _SETTINGS]
        dropped = first.exec_driver_sql(_DROPPED, (names,)).scalars().all()
    what = judge(*seen, dropped)
    if what:
        raise ConfigurationError(what, where=where, fix=FIX)


def judge(first: set[int], second: set[int], dropped: Sequence[str]) -> str | None:
    """Return what is wrong with a pooler; None for one that hands out whole sessions.

    Args:
        first: Sessions of the server that transactions of one connection were done in.
        second: Those of another connection, while the first one was connected.
        dropped: Names of settings that were asked for and do not hold.
    """
    if len(first) > 1 or len(second) > 1 or first & second:
        return (
            "a connection pooler in transaction mode (pgbouncer, pool_mode) is between: "
            "each transaction is done in another session of PostgreSQL"
        )
    if dropped:
        more = f" and {len(dropped) - SHOWN} more" if len(dropped) > SHOWN else ""
        return (
            "a connection pooler is between, and does not pass on what a session is to be told: "
            f"{', '.join(dropped[:SHOWN])}{more}"
        )
    return None


def _session(connection: Any) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
