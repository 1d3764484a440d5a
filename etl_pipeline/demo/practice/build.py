"""A made-up practice of any size in an empty database."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from etl_pipeline.demo.practice.script import execute_file

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from pymysql.connections import Connection

Engine = Literal["InnoDB", "MyISAM"]
DEFAULT_PATIENTS = 1500
DEFAULT_SEED = 7
# The practice's last day: everything dated later is a plan.
TODAY = "2024-06-28"
OPENED = "2021-01-04"


@dataclass(frozen=True)
class BuiltPractice:
    """What :func:`build_practice` made.

    Attributes:
        rows: Rows of each table, by table name.
        seconds: Wall time.
    """

    rows: Mapping[str, int]
    seconds: float

    @property
    def total_rows(self) -> int:
        """Rows of all tables together."""
        return sum(self.rows.values())


def build_practice(
    connection: Connection,
    *,
    patients: int = DEFAULT_PATIENTS,
    seed: int = DEFAULT_SEED,
    engine: Engine = "InnoDB",
) -> BuiltPractice:
    """Create and fill the tables of a practice in the connection's default database.

    The same arguments give the same rows, byte for byte: the server makes them from *seed* and the
    keys, and never asks its clock. Each file of ``sql/data`` is committed by itself; the session is
    handed back with its own settings.

    Args:
        connection: An administrator's, on MariaDB with the SEQUENCE engine; the default database
            is empty.
        patients: At least 20; most tables grow in proportion (about 225 rows a patient).
        seed: Any integer; another seed gives another practice of about the same size.
        engine: Storage engine of every table.

    Raises:
        ValueError: *patients* is below 20.
    """
    if patients < 20:
        raise ValueError(f"expected at least 20 patients, got {patients}")
    started = time.monotonic()
    with practice_session(connection, seed=seed, now=f"{TODAY} 18:00:00"):
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION default_storage_engine = {engine}")
            cursor.execute(
                "SET @patients = %s, @today = DATE %s, @opened = DATE %s", (patients, TODAY, OPENED)
            )
        execute_file(connection, "schema.sql")
        for name in _data_files():
            execute_file(connection, "data", name)
            connection.commit()
        rows = count_rows(connection)
    return BuiltPractice(rows=rows, seconds=time.monotonic() - started)


def _data_files() -> list[str]:
    folder = files(__package__).joinpath("sql", "data")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def count_rows(connection: Connection) -> dict[str, int]:
    """Rows of each base table of the default database, by table name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"
        )
        counts = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")
            counts[table] = cursor.fetchone()[0]
    return counts


@contextmanager
def practice_session(
    connection: Connection, *, seed: int, now: str | dt.datetime
) -> Iterator[None]:
    """Give the session OpenDental's settings and a clock that stands still at *now* (UTC).

    Settings are put back at the end; temporary tables are left to the SQL files that make them.
    """
    kept = (
        "sql_mode",
        "time_zone",
        "autocommit",
        "default_storage_engine",
        "character_set_client",
        "character_set_connection",
        "character_set_results",
        "collation_connection",
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"@@SESSION.{name}" for name in kept))
        before = cursor.fetchone()
        cursor.execute("SET NAMES utf8mb4")
        cursor.execute(
            "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION', time_zone = '+00:00',"
            " autocommit = 0"
        )
        cursor.execute("SET @seed = %s, timestamp = UNIX_TIMESTAMP(%s)", (seed, now))
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET timestamp = DEFAULT")
            for name, value in zip(kept, before, strict=True):
                cursor.execute(f"SET SESSION {name} = %s", (value,))
