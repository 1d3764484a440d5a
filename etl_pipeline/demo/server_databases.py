"""The three databases of a practice and their users, with the rights they have in production."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pymysql
from psycopg import sql

from etl_pipeline.core.grant_statements import grant_log
from etl_pipeline.core.mysql_connection import MysqlConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl_pipeline.demo.server_record import Endpoint, Servers

MySqlConnection: TypeAlias = "pymysql.Connection[Any]"
PostgresConnection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"


def create_practice_databases(servers: Servers, name: str = "opendental") -> dict[str, str]:
    """Make the databases of practice *name*, and return the variables of its ``.env_test``.

    The users get what they have in production: the source's may SELECT, read the binary log and
    nothing else, the replication's may do everything in its database, the analytics' owns its
    database. Whatever exists is kept, with its rows; the passwords are new each time.

    Args:
        servers: Administrators' endpoints; source and replication may be one server.
        name: Lower-case letters, digits and underscores, at most 20.
    """
    replication, analytics = f"{name}_replication", f"{name}_analytics"
    source_login = f"{name}_reader", secrets.token_hex(12)
    replication_login = f"{name}_replicator", secrets.token_hex(12)
    analytics_login = f"{name}_loader", secrets.token_hex(12)
    # OpenDental's own databases have the three-byte character set.
    _create_mysql(servers.source, name, "utf8mb3", source_login, "SELECT")
    _let_read_log(servers.source, source_login[0])
    _create_mysql(servers.replication, replication, "utf8mb4", replication_login, "ALL PRIVILEGES")
    _create_postgres(servers.analytics, analytics, analytics_login)
    return {
        **_variables("TEST_OPENDENTAL_SOURCE", servers.source, name, source_login),
        **_variables("TEST_MYSQL_REPLICATION", servers.replication, replication, replication_login),
        **_variables("TEST_POSTGRES_ANALYTICS", servers.analytics, analytics, analytics_login),
        "TEST_POSTGRES_ANALYTICS_SCHEMA": "raw",
    }


def drop_practice_databases(servers: Servers, env: Mapping[str, str]) -> None:
    """Drop what `create_practice_databases` returned *env* for, ending its connections first."""
    for prefix, server in (
        ("TEST_OPENDENTAL_SOURCE", servers.source),
        ("TEST_MYSQL_REPLICATION", servers.replication),
    ):
        _drop_mysql(server, env[f"{prefix}_DB"], env[f"{prefix}_USER"])
    database, user = env["TEST_POSTGRES_ANALYTICS_DB"], env["TEST_POSTGRES_ANALYTICS_USER"]
    with closing(connect_postgres(servers.analytics)) as admin:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        admin.execute(drop.format(sql.Identifier(database)))
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(user)))


def connect_mysql(server: Endpoint, database: str | None = None) -> MySqlConnection:
    """Return an administrator's connection that commits each statement; the caller closes it."""
    return MysqlConnection(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=database,
        autocommit=True,
        local_infile=True,
    )


def connect_postgres(server: Endpoint, database: str = "postgres") -> PostgresConnection:
    """Return an administrator's connection that commits each statement; the caller closes it."""
    return psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        dbname=database,
        autocommit=True,
    )


def _create_mysql(
    server: Endpoint, database: str, character_set: str, login: tuple[str, str], privileges: str
) -> None:
    user, password = login
    # In GRANT the name of a database is a pattern, in which an underscore is any character.
    pattern = database.replace("_", r"\_")
    with closing(connect_mysql(server)) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET {character_set}")
        cursor.execute(f"CREATE USER IF NOT EXISTS `{user}`@`%`")
        cursor.execute(f"ALTER USER `{user}`@`%` IDENTIFIED BY '{password}'")
        cursor.execute(f"GRANT {privileges} ON `{pattern}`.* TO `{user}`@`%`")


def _let_read_log(server: Endpoint, user: str) -> None:
    with closing(connect_mysql(server)) as admin, admin.cursor() as cursor:
        cursor.execute(grant_log(user))


def _create_postgres(server: Endpoint, database: str, login: tuple[str, str]) -> None:
    user, password = login
    with closing(connect_postgres(server)) as admin:
        role = sql.Identifier(user)
        if not _exists(admin, "SELECT FROM pg_roles WHERE rolname = %s", user):
            admin.execute(sql.SQL("CREATE ROLE {}").format(role))
        admin.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password))
        )
        if not _exists(admin, "SELECT FROM pg_database WHERE datname = %s", database):
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            admin.execute(create.format(sql.Identifier(database), role))


def _exists(admin: PostgresConnection, query: str, name: str) -> bool:
    return admin.execute(query.encode(), [name]).fetchone() is not None


def _drop_mysql(server: Endpoint, database: str, user: str) -> None:
    with closing(connect_mysql(server)) as admin, admin.cursor() as cursor:
        # A transaction left open would keep DROP DATABASE waiting.
        cursor.execute(
            "SELECT id FROM information_schema.processlist"
            " WHERE (user = %s OR db = %s) AND id <> CONNECTION_ID()",
            [user, database],
        )
        for (connection_id,) in cursor.fetchall():
            try:
                cursor.execute(f"KILL {connection_id:d}")
            except pymysql.OperationalError as error:
                if error.args[0] != pymysql.constants.ER.NO_SUCH_THREAD:
                    raise
        cursor.execute(f"DROP DATABASE IF EXISTS `{database}`")
        cursor.execute(f"DROP USER IF EXISTS `{user}`@`%`")


def _variables(
    prefix: str, server: Endpoint, database: str, login: tuple[str, str]
) -> dict[str, str]:
    user, password = login
    return {
        f"{prefix}_HOST": server.host,
        f"{prefix}_PORT": str(server.port),
        f"{prefix}_DB": database,
        f"{prefix}_USER": user,
        f"{prefix}_PASSWORD": password,
    }
