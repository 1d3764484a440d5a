"""The users of a practice's databases have the rights they have in production, and no more."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pymysql
import pytest

from etl_pipeline.demo.server_databases import (
    MySqlConnection,
    connect_mysql,
    connect_postgres,
    create_practice_databases,
    drop_practice_databases,
)

if TYPE_CHECKING:
    from etl_pipeline.demo.servers import Endpoint, Servers
    from tests.conftest import Lab

ACCESS_DENIED = {1044, 1142, 1227}


def login(lab: Lab, server: Endpoint, prefix: str) -> Endpoint:
    return replace(
        server, user=lab.env[f"TEST_{prefix}_USER"], password=lab.env[f"TEST_{prefix}_PASSWORD"]
    )


def as_reader(lab: Lab) -> MySqlConnection:
    reader = login(lab, lab.servers.source, "OPENDENTAL_SOURCE")
    return connect_mysql(reader, lab.env["TEST_OPENDENTAL_SOURCE_DB"])


def fetch(connection: MySqlConnection, query: str) -> tuple[tuple[object, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return tuple(cursor.fetchall())


def test_source_user_reads(lab: Lab) -> None:
    fetch(lab.source, "CREATE TABLE patient (PatNum bigint PRIMARY KEY)")
    fetch(lab.source, "INSERT INTO patient VALUES (7)")
    with closing(as_reader(lab)) as reader:
        assert fetch(reader, "SELECT PatNum FROM patient") == ((7,),)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO patient VALUES (8)",
        "UPDATE patient SET PatNum = 8",
        "DELETE FROM patient",
        "TRUNCATE patient",
        "DROP TABLE patient",
        "CREATE TABLE other (a int)",
        "CREATE TEMPORARY TABLE other (a int)",
        "LOCK TABLES patient WRITE",
        "SET GLOBAL max_connections = 1",
    ],
)
def test_source_user_cannot_write(lab: Lab, statement: str) -> None:
    fetch(lab.source, "CREATE TABLE patient (PatNum bigint PRIMARY KEY)")
    fetch(lab.source, "INSERT INTO patient VALUES (7)")
    with closing(as_reader(lab)) as reader, pytest.raises(pymysql.MySQLError) as caught:
        fetch(reader, statement)
    assert caught.value.args[0] in ACCESS_DENIED
    assert fetch(lab.source, "SELECT PatNum FROM patient") == ((7,),)


def test_source_has_the_character_set_of_opendental(lab: Lab) -> None:
    (shown,) = fetch(lab.source, "SELECT @@character_set_database")
    assert shown == ("utf8mb3",)


def test_replication_user_is_confined_to_its_database(lab: Lab) -> None:
    database = lab.env["TEST_MYSQL_REPLICATION_DB"]
    # What an underscore would match, were it a pattern in the grant.
    neighbour = database.replace("_", "x")
    fetch(lab.replication, f"CREATE DATABASE `{neighbour}`")
    try:
        user = login(lab, lab.servers.replication, "MYSQL_REPLICATION")
        with closing(connect_mysql(user, database)) as replicator:
            fetch(replicator, "CREATE TABLE patient (PatNum bigint)")
            fetch(replicator, "DROP TABLE patient")
            visible = {name for (name,) in fetch(replicator, "SHOW DATABASES")}
            assert visible == {database, "information_schema"}
            with pytest.raises(pymysql.MySQLError) as caught:
                fetch(replicator, f"CREATE TABLE `{neighbour}`.patient (PatNum bigint)")
        assert caught.value.args[0] in ACCESS_DENIED
    finally:
        fetch(lab.replication, f"DROP DATABASE `{neighbour}`")


def test_analytics_user_owns_its_database_and_is_no_superuser(lab: Lab) -> None:
    user = login(lab, lab.servers.analytics, "POSTGRES_ANALYTICS")
    with closing(connect_postgres(user, lab.env["TEST_POSTGRES_ANALYTICS_DB"])) as loader:
        loader.execute("CREATE SCHEMA raw")
        loader.execute("CREATE TABLE raw.patient (patnum bigint)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            loader.execute("CREATE ROLE other")


def test_creating_again_keeps_rows_and_renews_passwords(servers: Servers) -> None:
    first = create_practice_databases(servers, "again")
    try:
        with closing(connect_mysql(servers.source, "again")) as admin:
            fetch(admin, "CREATE TABLE patient (PatNum bigint)")
        second = create_practice_databases(servers, "again")
        changed = {name for name in first if first[name] != second[name]}
        assert changed == {name for name in first if name.endswith("_PASSWORD")}
        reader = replace(
            servers.source,
            user=second["TEST_OPENDENTAL_SOURCE_USER"],
            password=second["TEST_OPENDENTAL_SOURCE_PASSWORD"],
        )
        with closing(connect_mysql(reader, "again")) as connection:
            assert fetch(connection, "SHOW TABLES") == (("patient",),)
    finally:
        drop_practice_databases(servers, first)


def test_dropping_ends_open_transactions_and_leaves_nothing(servers: Servers) -> None:
    env = create_practice_databases(servers, "dropped")
    with (
        closing(connect_mysql(servers.source, "dropped")) as busy,
        closing(connect_postgres(servers.analytics, "dropped_analytics")),
    ):
        fetch(busy, "CREATE TABLE patient (PatNum bigint) ENGINE = InnoDB")
        fetch(busy, "BEGIN")
        fetch(busy, "SELECT * FROM patient")
        drop_practice_databases(servers, env)
    with closing(connect_mysql(servers.source)) as admin:
        assert not fetch(admin, "SELECT 1 FROM mysql.user WHERE User LIKE 'dropped%'")
        assert not fetch(admin, "SHOW DATABASES LIKE 'dropped%'")
    with closing(connect_postgres(servers.analytics)) as postgres:
        query = "SELECT FROM pg_roles WHERE rolname LIKE 'dropped%'"
        assert not postgres.execute(query).fetchall()
