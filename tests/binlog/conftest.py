"""A server with a binary log, and a database of a test's own on it."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.binlog.following import Followed
from tests.binlog.log_server import LogServer, make_log_server
from tests.conftest import _endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def log_server(pytestconfig: pytest.Config) -> Iterator[LogServer]:
    """A private MariaDB with a log of rows; the server of --mysql-url where there is one."""
    urls = pytestconfig.getoption("--mysql-url")
    there = _endpoint(urls[0], 3306) if urls else None
    if there is not None:
        yield LogServer(there)
        return
    server = make_log_server()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def followed(log_server: LogServer) -> Iterator[Followed]:
    """A fresh database whose log is read from now on."""
    name = f"b_{secrets.token_hex(4)}"
    run_once(log_server, f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        with closing(Followed(log_server, name)) as found:
            yield found
    finally:
        run_once(log_server, f"DROP DATABASE `{name}`")


def run_once(server: LogServer, statement: str) -> None:
    """Run *statement* on a connection of its own."""
    with closing(server.connect()) as admin, admin.cursor() as cursor:
        cursor.execute(statement)
