"""Somebody who reads ``raw`` all the time, and notes what they see."""

from __future__ import annotations

import contextlib
import threading
from contextlib import closing

import psycopg

from etl_pipeline.demo.server_databases import connect_postgres
from etl_pipeline.demo.server_record import Endpoint
from tests.faults import practice

PAUSE_SECONDS = 0.1
Seen = str | None
"""What a table looks like; None where there is none."""


class Watcher:
    """Reads while its block runs, whatever becomes of the server.

    Attributes:
        seen: How each table was seen.
    """

    def __init__(self, server: Endpoint, database: str) -> None:
        self._server, self._database = server, database
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: dict[str, set[Seen]] = {name: set() for name in practice.TABLES}

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def look(self) -> dict[str, Seen]:
        """How every table looks now."""
        with closing(connect_postgres(self._server, self._database)) as connection:
            return {name: _look(connection, name) for name in practice.TABLES}

    def _watch(self) -> None:
        while not self._is_over.wait(PAUSE_SECONDS):
            # The server is down, or starting: a reader would come again.
            with (
                contextlib.suppress(psycopg.OperationalError),
                closing(connect_postgres(self._server, self._database)) as connection,
            ):
                while not self._is_over.wait(PAUSE_SECONDS):
                    for name in practice.TABLES:
                        self.seen[name].add(_look(connection, name))


def _look(connection: psycopg.Connection, table: str) -> Seen:
    # The column that is ours says when a row was loaded: no part of what the source says.
    try:
        row = connection.execute(
            "SELECT count(*) || ':' || coalesce(sum(hashtextextended("
            f"(to_jsonb(t) - '_etl_loaded_at')::text, 0)::numeric), 0) FROM raw.{table} t".encode()
        ).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return str(row[0]) if row else None
