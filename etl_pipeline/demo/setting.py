"""Prepare what ``etl demo`` shows: servers, a practice, and a configuration for them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from etl_pipeline.demo.practice import ChangedPractice, Engine, build_practice, change_practice
from etl_pipeline.demo.server_databases import (
    connect_mysql,
    create_practice_databases,
    drop_practice_databases,
)
from etl_pipeline.demo.servers import Servers, find_servers, remove_servers
from etl_pipeline.errors import ConfigurationError

_PRACTICE = "practice.json"

_PIPELINE_YML = """\
# How the pipeline works. Every key has a default; docs/configuration.md lists them.
general:
  # parallel_tables: 2       # tables worked on at once; without it, the number of cores
source:
  max_seconds_per_statement: 2
transform:
  today: entries             # the practice lives in 2024, whatever the clock says
"""

_TABLES_YML = """\
# Which tables are copied. With none named, every table of the source is.
tables: {}
#  patient:
#    table_importance: critical     # critical, important, standard: the order of processing
#  securitylog:
#    estimated_rows: 100000
"""


@dataclass(frozen=True, slots=True)
class Practice:
    """The parameters of a synthetic practice; the same values give the same rows."""

    patients: int
    seed: int
    engine: Engine


def prepare_practice(folder: Path, servers: Servers, practice: Practice) -> int | None:
    """Make *practice* and its databases, unless they are there; return the rows that were made.

    None means that the practice of an earlier demo was kept, with the changes it has seen. A
    practice of other values is dropped together with its copy and its warehouse.
    """
    record = folder / _PRACTICE
    if read_practice(folder) == practice:
        env = create_practice_databases_and_config(folder, servers)
        if _has_tables(servers, env):
            return None
    record.unlink(missing_ok=True)
    env = create_practice_databases(servers)
    drop_practice_databases(servers, env)
    env = create_practice_databases_and_config(folder, servers)
    with closing(connect_mysql(servers.source, env["TEST_OPENDENTAL_SOURCE_DB"])) as connection:
        built = build_practice(
            connection, patients=practice.patients, seed=practice.seed, engine=practice.engine
        )
    record.write_text(json.dumps(asdict(practice)), encoding="utf-8")
    return built.total_rows


def _has_tables(servers: Servers, env: Mapping[str, str]) -> bool:
    """Return True if the practice still exists: its data may be deleted while its record stays."""
    database = env["TEST_OPENDENTAL_SOURCE_DB"]
    with (
        closing(connect_mysql(servers.source, database)) as connection,
        connection.cursor() as cursor,
    ):
        return bool(cursor.execute("SHOW TABLES"))


def read_practice(folder: Path) -> Practice | None:
    """Return the practice of *folder*, or None if it has none."""
    try:
        return Practice(**json.loads((folder / _PRACTICE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def create_practice_databases_and_config(folder: Path, servers: Servers) -> dict[str, str]:
    """Make the databases where they are missing, with new passwords, and write the configuration.

    ``.env_test`` and ``.pgpass`` (both mode 600) are written anew; the two YAML files are kept
    as they are if somebody has them already.
    """
    env = create_practice_databases(servers)
    lines = ["ETL_ENVIRONMENT=test", *(f"{name}={value}" for name, value in env.items())]
    _write_private(folder / ".env_test", "\n".join(lines) + "\n")
    prefix = "TEST_POSTGRES_ANALYTICS"
    parts = [env[f"{prefix}_{part}"] for part in ("HOST", "PORT", "DB", "USER", "PASSWORD")]
    _write_private(folder / ".pgpass", ":".join(parts) + "\n")
    for name, text in (("pipeline.yml", _PIPELINE_YML), ("tables.yml", _TABLES_YML)):
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
    return env


def change_day(folder: Path) -> ChangedPractice:
    """Play the next working day of *folder*'s practice.

    Raises:
        ConfigurationError: No demo is running in *folder*.
    """
    servers, practice = find_servers(folder), read_practice(folder)
    if servers is None or practice is None:
        raise ConfigurationError(
            "no demo is running",
            where=str(folder),
            fix=f"etl demo --folder {shlex.quote(str(folder))}",
        )
    with closing(connect_mysql(servers.source, "opendental")) as connection:
        return change_practice(connection, seed=practice.seed)


def remove_demo(folder: Path) -> None:
    """Stop the servers and delete everything that the demo made, the configuration included.

    The folder is deleted too, unless it contains other files.
    """
    remove_servers(folder)
    shutil.rmtree(folder / "transform_target", ignore_errors=True)
    for name in (_PRACTICE, ".env_test", ".pgpass", "pipeline.yml", "tables.yml"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or not there
        folder.rmdir()


def _write_private(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
