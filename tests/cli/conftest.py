"""The real ``etl`` in a process of its own, on a small practice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from etl_pipeline.demo.server_databases import connect_mysql, connect_postgres
from etl_pipeline.demo.servers import Servers
from tests.conftest import Lab, open_lab
from tests.rows import make_table

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()"]
PASSWORD = 'S3CRET%s%(x)s{0}${HOME}"#@:/?&é;--'
"""Of every user, with what a URL, a shell, a format or a log could trip over."""
ROW_VALUE = "Planted-Row-Value"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Cli:
    """A folder with a configuration for *lab*, and the command line to use it.

    Attributes:
        env: What ``.env_test`` says, with the real passwords.
    """

    lab: Lab
    folder: Path
    env: dict[str, str]

    def configure(
        self,
        *,
        tables: Any = None,
        pipeline: Any = None,
        **env: str | None,
    ) -> None:
        """Write the files; *env* are changes to ``.env_test``, where None takes a name out."""
        values = {k: v for k, v in {**self.env, **env}.items() if v is not None}
        path = self.folder / ".env_test"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
        for name, content in (("tables", tables), ("pipeline", pipeline)):
            file = self.folder / f"{name}.yml"
            if isinstance(content, str):
                file.write_text(content)
            elif content is not None:
                with file.open("w", encoding="utf-8") as stream:
                    YAML(typ="safe").dump(content, stream)

    def environment(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        """The process environment of a command, with *changes*; None takes a name out."""
        values = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
            "ETL_ENVIRONMENT": "test",
            "ETL_CONFIG_DIR": str(self.folder),
        }
        return {k: v for k, v in {**values, **changes}.items() if v is not None}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start ``etl`` with *arguments*; *options* go to ``Popen``."""
        pipe = subprocess.PIPE
        defaults = {"stdout": pipe, "stderr": pipe, "text": True, "env": self.environment({})}
        return subprocess.Popen([*COMMAND, *arguments], **{**defaults, **options})

    def __call__(self, *arguments: str, **environment: str | None) -> Ended:
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment(environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        ended = Ended(done.returncode, done.stdout, done.stderr)
        refuse_secrets(ended.stdout + ended.stderr)
        return ended

    def mask(self, text: str) -> str:
        """*text* without what differs from one run of the tests to the next."""
        name = self.env["TEST_OPENDENTAL_SOURCE_DB"]
        text = text.replace(str(self.folder), "FOLDER").replace(name, "NAME")
        text = re.sub(r"127\.0\.0\.1:\d+", "HOST:PORT", text)
        text = re.sub(r"(process \d+ on \S+)\)", "process N on HOST)", text)
        text = re.sub(r"[\d,]+ rows/s", "N rows/s", text)
        text = re.sub(r"  source [\d,]+ statements, .*", "  source what it had to bear", text)
        return re.sub(r" +\d+\.\d s", " N.N s", text)


def refuse_secrets(text: str) -> None:
    """Fail if *text* holds the password, a piece of it, or a row's value, or is a traceback."""
    for secret in (PASSWORD, "S3CRET", ROW_VALUE):
        assert secret not in text
    assert "Traceback (most recent call last)" not in text


def open_cli(servers: Servers, folder: Path) -> Iterator[Cli]:
    with open_lab(servers) as lab:
        yield Cli(lab, folder, _set_passwords(lab))


@pytest.fixture
def etl(servers: Servers, tmp_path: Path) -> Iterator[Cli]:
    """The command on databases of this test, configured, with three small tables."""
    for cli in open_cli(servers, tmp_path):
        fill(cli.lab)
        cli.configure()
        yield cli


def fill(lab: Lab) -> None:
    make_table(
        lab.source,
        "CREATE TABLE patient (PatNum bigint PRIMARY KEY, LName varchar(100), Birthdate date)",
        f"INSERT INTO patient VALUES (1, '{ROW_VALUE}', '2000-01-01'), (2, 'b', '0000-00-00')",
    )
    make_table(
        lab.source,
        "CREATE TABLE sheetfield (SheetFieldNum bigint PRIMARY KEY, FieldValue text)",
        f"INSERT INTO sheetfield VALUES (1, '{ROW_VALUE}'), (2, 'x'), (3, 'y')",
    )
    make_table(
        lab.source,
        "CREATE TABLE codes (Code varchar(15) PRIMARY KEY, Words text)",
        f"INSERT INTO codes VALUES ('D1110', '{ROW_VALUE}')",
    )


def _set_passwords(lab: Lab) -> dict[str, str]:
    env = dict(lab.env)
    for server, prefix in (
        (lab.servers.source, "TEST_OPENDENTAL_SOURCE"),
        (lab.servers.replication, "TEST_MYSQL_REPLICATION"),
    ):
        with connect_mysql(server) as admin, admin.cursor() as cursor:
            cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (env[f"{prefix}_USER"], PASSWORD))
        env[f"{prefix}_PASSWORD"] = PASSWORD
    with connect_postgres(lab.servers.analytics) as pg:
        from psycopg import sql

        user = sql.Identifier(env["TEST_POSTGRES_ANALYTICS_USER"])
        pg.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(user, sql.Literal(PASSWORD)))
    env["TEST_POSTGRES_ANALYTICS_PASSWORD"] = PASSWORD
    return env
