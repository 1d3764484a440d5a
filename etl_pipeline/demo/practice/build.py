"""A made-up practice of any size in an empty database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, get_args

from etl_pipeline.demo.practice.script import execute_file
from etl_pipeline.demo.practice.session import practice_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl_pipeline.demo.server_databases import MySqlConnection

Engine = Literal["InnoDB", "MyISAM"]
# About 338,000 rows, 30,000 of them procedures and 50,000 of them audit trail.
DEFAULT_PATIENTS = 1500
DEFAULT_SEED = 7
# The practice opened its books on one day and lives on the evening of the other: what is dated
# later is a plan.
OPENED = "2021-01-04"
TODAY = "2024-06-28"


@dataclass(frozen=True)
class BuiltPractice:
    """The result of `build_practice`.

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
    connection: MySqlConnection,
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
        patients: At least 20; most tables grow in proportion (about 225 rows a patient, some
            50,000 rows a second on two cores).
        seed: Any integer; another seed gives another practice of about the same size.
        engine: Storage engine of every table.

    Raises:
        ValueError: *patients* is below 20, or *engine* is no engine of ours.
    """
    if patients < 20:
        raise ValueError(f"expected at least 20 patients, got {patients}")
    if engine not in get_args(Engine):
        raise ValueError(f"expected InnoDB or MyISAM, got {engine!r}")
    started = time.monotonic()
    # Nobody follows a practice that is being made, and its log would be as large as the practice.
    with practice_session(connection, seed=seed, now=f"{TODAY} 18:00:00", is_logged=False):
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION default_storage_engine = %s", (engine,))
            cursor.execute(
                "SET @patients = %s, @today = DATE %s, @opened = DATE %s", (patients, TODAY, OPENED)
            )
        execute_file(connection, "schema.sql")
        for name in _data_files():
            execute_file(connection, "data", name)
            connection.commit()
        rows = _count_rows(connection)
    return BuiltPractice(rows=rows, seconds=time.monotonic() - started)


def _data_files() -> list[str]:
    """Names of the files in ``sql/data``, in the order in which they build on each other."""
    folder = files(__package__).joinpath("sql", "data")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def _count_rows(connection: MySqlConnection) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
        rows = {}
        for table, _type in cursor.fetchall():
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")
            (rows[table],) = cursor.fetchone() or (0,)
    return rows
