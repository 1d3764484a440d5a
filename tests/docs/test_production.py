"""The README's production set-up, carried out as written with fresh users and databases."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.server_databases import (
    connect_mysql,
    connect_postgres,
    drop_practice_databases,
)
from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from tests.docs.pages import ROOT, find_blocks, find_commands, read_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from etl_pipeline.demo.servers import Endpoint, Servers

README = read_page("README.md")
PLACES = ("source", "replication", "analytics")


@dataclass(frozen=True)
class Production:
    """What the reader of the README has made.

    Attributes:
        name: Stands for ``opendental`` in every name, so that tests do not meet each other.
        folder: The folder of ``.env_production``.
    """

    name: str
    servers: Servers
    folder: Path

    def renamed(self, text: str) -> str:
        """*text* of the README with names of this test's own."""
        text = text.replace("opendental", self.name)
        return re.sub(r"\betl_(reader|writer|loader)\b", rf"{self.name}_\1", text)

    def execute(self, place: str, statements: Sequence[str]) -> None:
        """Execute as the administrator of *place*."""
        server: Endpoint = getattr(self.servers, place)
        if place == "analytics":
            with closing(connect_postgres(server)) as admin:
                for statement in statements:
                    admin.execute(statement.encode())
        else:
            with closing(connect_mysql(server)) as connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def is_carried(self) -> bool:
        """Whether a run succeeds."""
        settings = Settings("production", FileConfigProvider(self.folder))
        try:
            return run_once(settings, RunRequest(full=True), listen=lambda event: None).is_success
        except (EtlError, psycopg.Error):
            return False


def statements_of(place: str) -> list[str]:
    """The statements of the README's block for *place*."""
    blocks = find_blocks(README, "sql")
    (block,) = (block for block in blocks if block.startswith(f"-- {place} ("))
    bare = re.sub(r"--.*", "", block)
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


def write_env(production: Production) -> None:
    (text,) = find_blocks(README, "dotenv")
    text = production.renamed(text)
    for place, family in zip(PLACES, re.findall(r"^(.*)_HOST=", text, re.MULTILINE), strict=True):
        server: Endpoint = getattr(production.servers, place)
        here = f"{family}_HOST={server.host}\n{family}_PORT={server.port}"
        text = re.sub(rf"^{family}_HOST=.*$", here, text, flags=re.MULTILINE)
    path = production.folder / ".env_production"
    path.touch(mode=0o600)
    path.write_text(text)


@pytest.fixture
def production(servers: Servers, tmp_path: Path) -> Iterator[Production]:
    name = f"docs{secrets.token_hex(4)}"
    made = Production(name, servers, tmp_path)
    env = {
        "TEST_OPENDENTAL_SOURCE_DB": name,
        "TEST_OPENDENTAL_SOURCE_USER": f"{name}_reader",
        "TEST_MYSQL_REPLICATION_DB": f"{name}_replication",
        "TEST_MYSQL_REPLICATION_USER": f"{name}_writer",
        "TEST_POSTGRES_ANALYTICS_DB": f"{name}_analytics",
        "TEST_POSTGRES_ANALYTICS_USER": f"{name}_loader",
    }
    practice = [
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
        f"CREATE TABLE {name}.patient (PatNum bigint PRIMARY KEY, LName varchar(99), KEY (LName))",
        f"INSERT INTO {name}.patient VALUES (1, 'a'), (2, NULL)",
        f"CREATE TABLE {name}.word (Word varchar(9) PRIMARY KEY)",
        f"INSERT INTO {name}.word VALUES ('a'), ('b')",
    ]
    try:
        made.execute("source", practice)
        for place in PLACES:
            made.execute(place, [made.renamed(statement) for statement in statements_of(place)])
        write_env(made)
        yield made
    finally:
        drop_practice_databases(servers, env)


def test_the_commands_of_the_setup_succeed(production: Production) -> None:
    """Copied in their order, in the environment that the README exports."""
    lines = find_commands(README)
    (export,) = (line for line in lines if line.startswith("export ETL_ENVIRONMENT=production"))
    variables = dict(re.findall(r"(\w+)=(\S+)", export)) | {
        "ETL_CONFIG_DIR": str(production.folder)
    }
    assert set(variables) == {"ETL_ENVIRONMENT", "ETL_CONFIG_DIR"}
    calls = [line.split()[1:] for line in lines if line.startswith(".venv/bin/etl ")]
    calls = [words for words in calls if words[0] != "demo"]
    assert calls == [
        ["init", "config"],
        ["doctor"],
        ["discover", "--write"],
        ["plan"],
        ["run"],
        ["verify", "--deep"],
    ]
    for words in calls:
        done = subprocess.run(
            [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()", *words],
            env=os.environ | variables | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            cwd=production.folder,
        )
        assert done.returncode == 0, done.stderr
        if words[0] in ("run", "verify"):
            assert "2 of 2 tables" in done.stdout
        # Neither of a user who could write, nor of a file that others may read.
        assert "warning" not in done.stderr.lower()
        assert "fix:" not in done.stderr


def test_every_privilege_is_needed(production: Production) -> None:
    name = production.name
    # Databases are open to everybody at first; without that, the README's grants must do.
    production.execute("analytics", [f"REVOKE ALL ON DATABASE {name}_analytics FROM PUBLIC"])
    assert production.is_carried()
    for place in PLACES:
        (grant,) = (sql for sql in statements_of(place) if sql.startswith("GRANT"))
        found = re.fullmatch(r"GRANT (.+) ON (.+) TO (\w+)", production.renamed(grant))
        assert found
        privileges, target, user = found.groups()
        for privilege in privileges.split(", "):
            revoke = f"REVOKE {privilege} ON {target} FROM {user}"
            production.execute(place, [revoke])
            if (place, privilege) == ("analytics", "CREATE"):
                # It is for the schemas, which are there by now.
                assert production.is_carried()
                server = production.servers.analytics
                with closing(connect_postgres(server, f"{name}_analytics")) as admin:
                    admin.execute("DROP SCHEMA raw, etl CASCADE")
            assert not production.is_carried(), revoke
            production.execute(place, [f"GRANT {privilege} ON {target} TO {user}"])
            assert production.is_carried()
