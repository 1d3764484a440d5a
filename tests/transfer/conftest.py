"""What tests of readers and sinks share: tables, and connections as the pipeline makes them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT

from etl_pipeline.core.connections import REPLICATION_SESSION, ConnectionFactory
from etl_pipeline.schema.catalog import read_catalog
from etl_pipeline.transfer.select import RenderedTable, render_table
from tests.conftest import Lab
from tests.rows import make_table
from tests.transfer.proxy import Proxy, proxy_to

NUMBERS = 10_000


def make_numbers(connection: Any, *, engine: str = "InnoDB", rows: int = NUMBERS) -> None:
    """The table ``numbers``: n from 1 to *rows*."""
    values = ",".join(f"({n})" for n in range(1, rows + 1))
    make_table(
        connection,
        f"CREATE TABLE numbers (n int NOT NULL PRIMARY KEY) ENGINE={engine}",
        f"INSERT INTO numbers VALUES {values}",
    )


def read_table_text(connection: Any, table: str) -> RenderedTable:
    """How the rows of *table* of the connection's database are rendered."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        (database,) = cursor.fetchone()

        def execute(statement: str, values: Any) -> list[Any]:
            cursor.execute(statement.replace(":database", "%(database)s"), values)
            names = [column[0] for column in cursor.description]
            return [type("Row", (), dict(zip(names, row, strict=True))) for row in cursor]

        return render_table(read_catalog(execute, database)[table])


@pytest.fixture
def source(lab: Lab) -> Iterator[Any]:
    """The pipeline's own connection to the source, whose statements may last a second."""
    settings = lab.settings_with(pipeline={"source": {"max_seconds_per_statement": 1}})
    yield from _lend(ConnectionFactory.get_source_connection(settings))


@pytest.fixture
def replication(lab: Lab) -> Iterator[Any]:
    """The pipeline's own connection to the replication database."""
    yield from _lend(ConnectionFactory.get_replication_connection(lab.settings))


@pytest.fixture
def analytics(lab: Lab) -> Iterator[Any]:
    """The pipeline's own connection to the analytics database."""
    yield from _lend(ConnectionFactory.get_analytics_connection(lab.settings))


def _lend(engine: Any) -> Iterator[Any]:
    lent = engine.raw_connection()
    yield lent.driver_connection
    lent.invalidate()
    engine.dispose()


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    """A proxy to the replication server."""
    server = lab.servers.replication
    with proxy_to(server.host, server.port) as proxy:
        yield proxy


@pytest.fixture
def connect(lab: Lab, proxy: Proxy) -> Iterator[Callable[..., Any]]:
    """Opens a connection to the replication database through *proxy*, without TLS."""
    with contextlib.ExitStack() as opened:

        def connect_(**more: Any) -> Any:
            connection: Any = pymysql.connect(
                host="127.0.0.1",
                port=proxy.port,
                user=lab.env["TEST_MYSQL_REPLICATION_USER"],
                password=lab.env["TEST_MYSQL_REPLICATION_PASSWORD"],
                database=lab.env["TEST_MYSQL_REPLICATION_DB"],
                charset="utf8mb4",
                client_flag=CLIENT.LOCAL_FILES,
                ssl_disabled=True,
                **more,
            )
            opened.callback(connection._force_close)
            connection.cursor().execute(REPLICATION_SESSION)
            return connection

        yield connect_


@pytest.fixture
def infile(lab: Lab) -> None:
    """Skips the test where the replication server takes no LOAD DATA LOCAL."""
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.local_infile")
        if not (cursor.fetchone() or (0,))[0]:
            pytest.skip("local_infile is off at the server")
