"""Reads tables the ordinary way, value by value: another way than the product's row text."""

from __future__ import annotations

import struct
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from etl_pipeline.schema.names import quote_mysql

Rows = Counter[tuple[Any, ...]]


def read_mysql(connection: Any, table: str) -> Rows:
    """Every row of *table* by its values; order and storage make no difference."""
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(f"SHOW FULL COLUMNS FROM `{table}`")
        columns = [
            f"CAST(`{name}` AS DOUBLE)" if kind.startswith("float") else f"`{name}`"
            for name, kind, *_ in cursor.fetchall()
        ]
        cursor.execute(f"SELECT {', '.join(columns)} FROM `{table}`")
        return Counter(tuple(_comparable(value) for value in row) for row in cursor.fetchall())


def read_postgres(connection: Any, table: str) -> Rows:
    """Every row of ``raw.table`` by its values, without the column that is ours."""
    connection.execute("SET timezone = 'UTC'")
    types = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'raw' AND table_name = %s AND column_name <> '_etl_loaded_at' "
        "ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    # PostgreSQL prints a real with as few digits as tell it from other reals.
    columns = [f'"{name}"::float8' if kind == "real" else f'"{name}"' for name, kind in types]
    rows = connection.execute(f'SELECT {", ".join(columns)} FROM raw."{table}"').fetchall()
    return Counter(tuple(_comparable(value) for value in row) for row in rows)


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return struct.pack(">d", value)  # -0.0 is not 0.0
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def make_table(connection: Any, ddl: str, *inserts: str) -> None:
    """Run the statements, in a mode that takes what OpenDental's databases take."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00'")
        for statement in (ddl, *inserts):
            cursor.execute(statement)


def is_mariadb(connection: Any) -> bool:
    """Whether the server is MariaDB; Oracle's MySQL otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        return "mariadb" in str(cursor.fetchone()[0]).lower()


def numbers(count: int) -> str:
    """A derived table of the column *seq*, 1 to *count* (a million at most), on any server."""
    digit = "(SELECT 0 AS d" + "".join(f" UNION ALL SELECT {d}" for d in range(1, 10)) + ")"
    places = range(len(str(count)))
    value = " + ".join(f"p{place}.d * {10**place}" for place in places)
    product = " CROSS JOIN ".join(f"{digit} AS p{place}" for place in places)
    every = f"SELECT {value} AS seq FROM {product}"
    return f"(SELECT seq FROM ({every}) AS every WHERE seq BETWEEN 1 AND {count}) AS numbers"


def run_sql(connection: Any, *statements: str) -> None:
    """Run statements on a connection of PyMySQL."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def read_texts(connection: Any, table: str) -> list[tuple[Any, ...]]:
    """Every row of a MySQL table as the server prints it, bytes as their digits, sorted."""
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00', sql_mode = ''")
        cursor.execute(f"SHOW COLUMNS FROM `{table}`")
        columns = [
            f"HEX({quote_mysql(name)})"
            if "blob" in kind
            or "binary" in kind
            or kind.startswith(("vector", "bit", "point", "geom"))
            else f"CONVERT({quote_mysql(name)} USING utf8mb4)"
            for name, kind, *_ in cursor.fetchall()
        ]
        cursor.execute(f"SELECT {', '.join(columns)} FROM `{table}`")
        return sorted(cursor.fetchall(), key=repr)


def read_exactly(connection: Any, table: str) -> list[tuple[Any, ...]]:
    """Every row of a MySQL table as the bytes of its values, sorted: the server's own HEX.

    Numbers and times are taken as the server prints them, floating point by the bits of a DOUBLE:
    MySQL 9 cuts what it casts to text after 22 characters.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00', sql_mode = ''")
        cursor.execute(f"SHOW COLUMNS FROM `{table}`")
        columns = []
        for name, kind, *_ in cursor.fetchall():
            column = quote_mysql(name)
            is_floating = kind.startswith(("float", "double"))
            columns.append(
                f"CAST({column} AS DOUBLE)" if is_floating else f"HEX(CAST({column} AS BINARY))"
            )
        cursor.execute(f"SELECT {', '.join(columns)} FROM `{table}`")
        rows = (tuple(_comparable(value) for value in row) for row in cursor.fetchall())
        return sorted(rows, key=repr)
