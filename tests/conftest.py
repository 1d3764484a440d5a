"""What tests share: private servers, started once a session, and fresh databases for each test."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from ruamel.yaml import YAML

from etl_pipeline.demo.server_databases import (
    MySqlConnection,
    PostgresConnection,
    connect_mysql,
    connect_postgres,
    create_practice_databases,
    drop_practice_databases,
)
from etl_pipeline.demo.server_record import MEMORY
from etl_pipeline.demo.servers import Endpoint, Servers, remove_servers, running_servers
from tests.expected import Expected, expected_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytest_plugins = ("tests.runs",)

MEMORY_BYTES = 12 << 30
"""Of a machine on which tests may keep data in memory: four servers' worth, twice."""


@dataclass(frozen=True)
class Lab:
    """Fresh databases of one test, and administrators' connections to them (autocommit).

    Attributes:
        servers: Administrators' endpoints of the servers.
        env: The ``TEST_…`` variables of the users that the pipeline logs in as.
        source: Connected to the source database.
        replication: Connected to the replication database.
        analytics: Connected to the analytics database.
    """

    servers: Servers
    env: dict[str, str]
    source: MySqlConnection
    replication: MySqlConnection
    analytics: PostgresConnection

    @property
    def settings(self) -> Any:
        """Settings of the pipeline for these databases, with default configuration."""
        return self.settings_with()

    def settings_with(
        self,
        *,
        tables: Mapping[str, Any] | None = None,
        pipeline: Mapping[str, Any] | None = None,
    ) -> Any:
        """Settings of the pipeline for these databases, with what the YAML files would hold."""
        from etl_pipeline.config import (  # type: ignore[attr-defined, unused-ignore]
            create_test_settings,
        )

        return create_test_settings(
            pipeline_config=None if pipeline is None else dict(pipeline),
            tables_config=None if tables is None else dict(tables),
            env_vars=self.env,
        )

    def write_config(
        self,
        folder: Path,
        *,
        tables: Mapping[str, Any] | None = None,
        pipeline: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write ``.env_test`` and the given YAML files into *folder*; return *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        env_file = folder / ".env_test"
        env_file.touch(mode=0o600)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in self.env.items()))
        for name, content in (("tables", tables), ("pipeline", pipeline)):
            if content is not None:
                with (folder / f"{name}.yml").open("w", encoding="utf-8") as file:
                    YAML(typ="safe").dump(dict(content), file)
        return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("servers", "servers that are already there, with an administrator")
    group.addoption(
        "--mysql-url",
        metavar="mysql://USER:PASSWORD@HOST:PORT",
        action="append",
        default=[],
        help="for source and replication; a second one is for replication",
    )
    group.addoption(
        "--mysql-role",
        choices=("both", "source", "replication"),
        default="both",
        help="what a single --mysql-url is for; a private MariaDB is the other",
    )
    group.addoption(
        "--postgres-url", metavar="postgresql://USER:PASSWORD@HOST:PORT", help="for analytics"
    )
    parser.addoption("--long", action="store_true", help="many more examples: make test-long")
    parser.addoption("--rewrite", action="store_true", help="renew the files of expected texts")


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Expected:
    """The readable files beside the test that asks."""
    return expected_in(request)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    """The servers of this session: private ones, except where the command line names others."""
    urls = pytestconfig.getoption("--mysql-url")
    role = pytestconfig.getoption("--mysql-role")
    source = _endpoint(urls[0], 3306) if urls and role != "replication" else None
    replication = _endpoint(urls[-1], 3306) if urls and role != "source" else None
    analytics = _endpoint(pytestconfig.getoption("--postgres-url"), 5432)
    if source and replication and analytics:
        yield Servers(source, replication, analytics)
        return
    folder = servers_folder(pytestconfig) / str(os.getpid())
    _sweep(folder.parent)
    try:
        with running_servers(folder) as private:
            yield replace(
                private,
                source=source or private.source,
                replication=replication or private.replication,
                analytics=analytics or private.analytics,
            )
    finally:
        remove_servers(folder)
        shutil.rmtree(folder)


def servers_folder(config: pytest.Config) -> Path:
    """Where sessions keep their servers."""
    assert config.cache is not None
    return private_folder(config.cache.mkdir("servers"))


def private_folder(otherwise: Path) -> Path:
    """A folder for servers: in memory where it is large, for every test makes files.

    Fifty times as quick as a disk that makes three hundred files a second, as some do; a database
    of PostgreSQL is that many.
    """
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    if (
        MEMORY.is_dir()
        and pages * page_bytes >= MEMORY_BYTES
        and shutil.disk_usage(MEMORY).total >= MEMORY_BYTES // 2
    ):
        folder = MEMORY / f"etl_pipeline-tests-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        assert folder.lstat().st_uid == os.getuid(), f"{folder} belongs to somebody else"
        return folder
    otherwise.mkdir(parents=True, exist_ok=True)
    return otherwise


@pytest.fixture
def lab(servers: Servers) -> Iterator[Lab]:
    """Fresh databases and users for this test, dropped after it."""
    with open_lab(servers) as lab:
        yield lab


@contextmanager
def open_lab(servers: Servers) -> Iterator[Lab]:
    """Fresh databases and users for a block, dropped after it."""
    env = create_practice_databases(servers, f"t_{secrets.token_hex(4)}")
    try:
        with (
            closing(connect_mysql(servers.source, env["TEST_OPENDENTAL_SOURCE_DB"])) as source,
            closing(connect_mysql(servers.replication, env["TEST_MYSQL_REPLICATION_DB"])) as repl,
            closing(connect_postgres(servers.analytics, env["TEST_POSTGRES_ANALYTICS_DB"])) as pg,
        ):
            yield Lab(servers, env, source, repl, pg)
    finally:
        drop_practice_databases(servers, env)


def _endpoint(url: str | None, default_port: int) -> Endpoint | None:
    if not url:
        return None
    parts = urlsplit(url)
    return Endpoint(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or default_port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _sweep(parent: Path) -> None:
    """Remove what sessions left that were killed; their folders are called by their pid."""
    for folder in parent.iterdir():
        try:
            os.kill(int(folder.name), 0)
        except ProcessLookupError:
            # The other worker of this session may be at it, too.
            with contextlib.suppress(FileNotFoundError):
                for record in folder.rglob("servers.json"):
                    remove_servers(record.parent)
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            pass  # it is alive, and somebody else's
