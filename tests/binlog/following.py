"""Reads the log beside a test: what came since the last look, and what the tables really hold."""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from etl_pipeline.binlog.changes import LoggedTransaction
from etl_pipeline.binlog.keys import NO_CASCADES, KeyLayout, make_layout
from etl_pipeline.binlog.position import Position
from etl_pipeline.binlog.server_log import read_cascades, read_position
from etl_pipeline.binlog.stream import LogStream, open_log
from etl_pipeline.core.log_connection import LogConnection
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.core.throttle import Throttle
from etl_pipeline.schema.catalog import Table, read_catalog
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, render_table
from tests.binlog.log_server import LogServer
from tests.rows import is_mariadb

SERVER_ID = 4_000_000_123
PATIENCE_SECONDS = 20.0


@dataclass
class Found:
    """What the log told of some time."""

    transactions: list[LoggedTransaction] = field(default_factory=list)

    def lines(self, table: str) -> set[bytes]:
        """The changed keys of *table*, of which nothing else is told."""
        changes = [t.tables[table] for t in self.transactions if table in t.tables]
        assert not self.everything, self.everything
        assert not [c.whole for c in changes if c.whole], [c.whole for c in changes]
        assert all(c.keys is None or c.keys.has_lines for c in changes)
        return {line for c in changes if c.keys is not None for line in c.keys.lines()}

    def whole(self, table: str) -> list[str]:
        """Why *table* must be compared as a whole."""
        changes = [t.tables[table] for t in self.transactions if table in t.tables]
        return [c.whole for c in changes if c.whole]

    def ddl(self, table: str) -> list[str]:
        """The kinds of definitions of *table* that were changed."""
        changes = [t.tables[table] for t in self.transactions if table in t.tables]
        return [kind for c in changes for kind in c.ddl]

    @property
    def everything(self) -> list[str]:
        """Why every table must be compared."""
        return [t.everything for t in self.transactions if t.everything]

    @property
    def tables(self) -> set[str]:
        """Tables that something is told of."""
        return {name for t in self.transactions for name in t.tables}


class Followed:
    """A database, an administrator's connection to it, and the log from a position on."""

    def __init__(self, server: LogServer, name: str) -> None:
        self.server, self.name = server, name
        self.admin = server.connect(name)
        self.is_mariadb = is_mariadb(self.admin)
        self.layouts: dict[str, KeyLayout] = {}
        self.position = self.end()
        self.may_have_triggers = True
        self.stream: LogStream | None = None

    def close(self) -> None:
        self.stop()
        self.admin.close()

    def run(self, *statements: str) -> None:
        """Let the administrator run *statements*, each a transaction of its own."""
        with self.admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def make(self, *statements: str) -> None:
        """Run *statements*, take the layouts of all tables, and begin to read behind them."""
        self.run("SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00'", *statements)
        self.layouts = self.read_layouts()
        self.stop()
        self.position = self.end()

    def end(self) -> Position:
        """The end of the log now."""
        return read_position(self.admin)

    def read_layouts(self) -> dict[str, KeyLayout]:
        cascades = read_cascades(self.admin, self.name)
        return {
            name: make_layout(table, cascades.get(name, NO_CASCADES))
            for name, table in self.catalog().items()
        }

    def catalog(self) -> dict[str, Table]:
        def execute(statement: str, values: Any) -> Iterable[Any]:
            with self.admin.cursor() as cursor:
                for name in values:
                    statement = statement.replace(f":{name}", f"%({name})s")
                cursor.execute(statement, values)
                row = namedtuple("row", [column[0] for column in cursor.description])  # type: ignore[misc]
                return [row(*found) for found in cursor.fetchall()]

        return read_catalog(execute, self.name)

    def parameters(self) -> dict[str, Any]:
        server = self.server.endpoint
        return {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "password": server.password,
            "database": self.name,
        }

    def connect_log(self, **login: str) -> LogConnection:
        return LogConnection(throttle=Throttle(watches_load=False), **self.parameters() | login)

    def connect_source(self, **login: str) -> SourceConnection:
        return SourceConnection(throttle=Throttle(watches_load=False), **self.parameters() | login)

    def open(self, position: Position | None = None, **options: Any) -> LogStream:
        """A stream of its own from *position*, or from where the last look ended."""
        return open_log(
            options.pop("connection", None) or self.connect_log(),
            position or self.position,
            lambda table: self.layouts.get(table),
            schema=self.name,
            server_id=options.pop("server_id", SERVER_ID),
            may_have_triggers=self.may_have_triggers,
            **options,
        )

    def stop(self) -> None:
        """End the stream; the next look begins another where this one ended."""
        if self.stream is not None:
            self.position = self.stream.position
            self.stream.close()
            self.stream = None

    def look(self) -> Found:
        """What the log holds up to its end."""
        if self.stream is None:
            self.stream = self.open()
        found = read_upto(self.stream, self.end())
        if found.transactions:
            self.position = found.transactions[-1].position
        return found

    def keys(self, table: str) -> dict[bytes, bytes]:
        """The row text of each row, by the row text of its key, as the source's reader has it."""
        rendered = render_table(self.catalog()[table])
        names = ", ".join(column.select for column in rendered.columns)
        connection = self.connect_source()
        try:
            text = b"".join(
                block.text
                for block in read_text(connection, f"SELECT {names} FROM `{table}`", rendered.modes)
            )
        finally:
            connection.close()
        return {rendered.key_of(line): line for line in text.split(b"\n")[:-1]}

    def rendered(self, table: str) -> RenderedTable:
        return render_table(self.catalog()[table])


def read_upto(stream: LogStream, end: Position) -> Found:
    """Read *stream* until it has reached *end*."""
    found = Found()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not stream.position.has_reached(end):
        assert time.monotonic() < deadline, (stream.position, end)
        transaction = stream.read(time.monotonic() + 5, upto=end)
        if transaction is not None:
            found.transactions.append(transaction)
    return found


def changed(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> set[bytes]:
    """Keys whose rows are not the same before and after."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
