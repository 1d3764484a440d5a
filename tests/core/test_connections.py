"""Engines carry what the settings say, down to the driver."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.connections import Connection as DriverConnection
from pymysql.constants import CLIENT
from sqlalchemy import text

from etl_pipeline.config import PostgresSchema, create_test_settings
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.connect_args import (
    make_mysql_args,
    make_postgres_args,
    make_source_args,
)
from etl_pipeline.core.grants import parse_write_privileges
from etl_pipeline.core.mysql_connection import MysqlConnection
from etl_pipeline.core.same_server import refuse_same_server_database
from etl_pipeline.core.throttle import ThrottleLimits
from etl_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Lab

HOSTILE = "p@:/#%'\" ä漢\\$x${y};"


def test_pool_defaults_and_overrides() -> None:
    pool: Any = ConnectionFactory.get_source_connection(create_test_settings()).pool
    assert (pool.size(), pool._max_overflow, pool.timeout(), pool._recycle) == (5, 10, 30, 1800)
    assert pool._pre_ping is True
    overrides = {"pool_size": 2, "max_overflow": 3, "pool_timeout": 4.5, "pool_recycle": 60}
    for name, make in (
        ("source", ConnectionFactory.get_source_connection),
        ("replication", ConnectionFactory.get_replication_connection),
        ("analytics", ConnectionFactory.get_analytics_connection),
    ):
        settings = create_test_settings(pipeline_config={"connections": {name: overrides}})
        pool = make(settings).pool
        found = (pool.size(), pool._max_overflow, pool.timeout(), pool._recycle)
        assert found == (2, 3, 4.5, 60)


def test_mysql_overrides_reach_the_driver(lab: Lab) -> None:
    overrides = {"connect_timeout": 7, "read_timeout": 8.5, "write_timeout": 9}
    settings = lab.settings_with(
        pipeline={"connections": {"source": overrides, "replication": overrides}}
    )
    for engine in (
        ConnectionFactory.get_source_connection(settings),
        ConnectionFactory.get_replication_connection(settings),
    ):
        raw = engine.raw_connection()
        driver: Any = raw.driver_connection
        found = (driver.connect_timeout, driver._read_timeout, driver._write_timeout)
        assert found == (7, 8.5, 9)
        raw.close()
        engine.dispose()


def test_a_silent_source_is_given_up_after_its_own_limit() -> None:
    config = create_test_settings().get_source_connection_config()
    assert make_source_args(config, ThrottleLimits(60.0))["read_timeout"] == 90.0
    assert "read_timeout" not in make_mysql_args(config)


def test_replication_sessions(lab: Lab) -> None:
    engine = ConnectionFactory.get_replication_connection(lab.settings)
    sql = "SELECT @@sql_mode, @@time_zone, @@foreign_key_checks, @@character_set_client"
    for _ in range(2):
        with engine.connect() as connection:
            mode, zone, checks, charset = connection.exec_driver_sql(sql).one()
            assert set(str(mode).split(",")) == {
                "NO_AUTO_VALUE_ON_ZERO",
                "STRICT_ALL_TABLES",
                "ALLOW_INVALID_DATES",
            }
            assert (zone, checks, charset) == ("+00:00", 0, "utf8mb4")
            assert connection.exec_driver_sql("SELECT @@net_write_timeout").scalar_one() == 600
            isolation = connection.exec_driver_sql(
                "SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')"
            ).all()
            assert {value for _, value in isolation} == {"READ-COMMITTED"}
            driver: Any = connection.connection.driver_connection
            assert driver.client_flag & CLIENT.LOCAL_FILES
            assert driver._local_infile is False
        engine.dispose()


@pytest.mark.parametrize("schema", list(PostgresSchema))
def test_analytics_sessions_keep_their_settings(lab: Lab, schema: PostgresSchema) -> None:
    settings = lab.settings_with(
        pipeline={"connections": {"analytics": {"application_name": "etl it's"}}}
    )
    engine = ConnectionFactory.get_analytics_connection(settings, schema)
    sql = (
        "SELECT current_setting('search_path'), current_setting('TimeZone'),"
        " current_setting('application_name'), current_setting('client_encoding'),"
        # By which the server ends the session of a client that is gone, in half a minute.
        " current_setting('tcp_keepalives_idle')::int"
        " + current_setting('tcp_keepalives_interval')::int"
        " * current_setting('tcp_keepalives_count')::int"
    )
    expected = (schema.value, "UTC", "etl it's", "UTF8", 30)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(sql).one() == expected
        connection.exec_driver_sql("SET search_path = public")
        connection.rollback()
        assert connection.exec_driver_sql(sql).one() == expected
        connection.exec_driver_sql("SET TimeZone = 'Asia/Tokyo'")
        connection.exec_driver_sql("RESET ALL")
        assert connection.exec_driver_sql(sql).one() == expected
    engine.dispose()


def test_a_half_open_connection_to_the_warehouse_is_noticed_in_a_minute(lab: Lab) -> None:
    """It would keep the lock of a run for hours, as long as nobody sends anything."""
    engine = ConnectionFactory.get_analytics_connection(lab.settings)
    raw = engine.raw_connection()
    driver: Any = raw.driver_connection
    with socket.socket(fileno=os.dup(driver.fileno())) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, count = (
            sock.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
    assert idle + interval * count <= 60
    raw.close()
    engine.dispose()


def test_variables_of_libpq_change_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOSTADDR": "192.0.2.1",
        "PGSSLMODE": "verify-full",
        "PGOPTIONS": "-c search_path=public",
        "PGAPPNAME": "other",
        "PGTARGETSESSIONATTRS": "standby",
        "PGCLIENTENCODING": "LATIN1",
    }.items():
        monkeypatch.setenv(name, value)
    engine = ConnectionFactory.get_analytics_raw_connection(lab.settings)
    with engine.connect() as connection:
        sql = "SELECT current_setting('search_path'), current_setting('application_name')"
        assert connection.exec_driver_sql(sql).one() == ("raw", "etl_pipeline")
    engine.dispose()


def test_any_password_logs_in(lab: Lab) -> None:
    doubled = HOSTILE.replace("'", "''")
    quoted = doubled.replace("\\", "\\\\")
    user = lab.env["TEST_OPENDENTAL_SOURCE_DB"] + "x"
    with lab.source.cursor() as cursor:
        cursor.execute(f"CREATE USER {user} IDENTIFIED BY '{quoted}'")
    lab.analytics.execute(
        f"CREATE ROLE {user} LOGIN PASSWORD '{HOSTILE.replace(chr(39), chr(39) * 2)}'"
    )
    env = lab.env | {
        "TEST_OPENDENTAL_SOURCE_USER": user,
        "TEST_OPENDENTAL_SOURCE_PASSWORD": HOSTILE,
        "TEST_POSTGRES_ANALYTICS_USER": user,
        "TEST_POSTGRES_ANALYTICS_PASSWORD": HOSTILE,
    }
    with lab.source.cursor() as cursor:
        cursor.execute(f"GRANT SELECT ON {lab.env['TEST_OPENDENTAL_SOURCE_DB']}.* TO {user}")
    settings = create_test_settings(env_vars=env)
    try:
        for engine in (
            ConnectionFactory.get_source_connection(settings),
            ConnectionFactory.get_analytics_connection(settings),
        ):
            with engine.connect() as connection:
                assert connection.execute(text("SELECT 1")).scalar_one() == 1
            engine.dispose()
        source = ConnectionFactory.get_source_connection(settings)
        with source.connect() as connection:
            lines = connection.exec_driver_sql("SHOW GRANTS").scalars().all()
        assert parse_write_privileges(map(str, lines)) == ()
        source.dispose()
    finally:
        with lab.source.cursor() as cursor:
            cursor.execute(f"DROP USER {user}")
        lab.analytics.execute(f"DROP ROLE {user}")


@given(st.text(min_size=8).filter(lambda text: text.strip() and text not in "localhost"))
def test_a_password_is_never_shown(password: str) -> None:
    settings = create_test_settings(
        env_vars={
            f"TEST_{family}_PASSWORD": password
            for family in ("OPENDENTAL_SOURCE", "MYSQL_REPLICATION", "POSTGRES_ANALYTICS")
        }
    )
    config = settings.get_source_connection_config()
    assert config["password"] == password
    marker = "***"
    assert repr(config["password"]) == f"'{marker}'"
    blank = create_test_settings(
        env_vars={
            f"TEST_{family}_PASSWORD": "another"
            for family in ("OPENDENTAL_SOURCE", "MYSQL_REPLICATION", "POSTGRES_ANALYTICS")
        }
    )
    # What is printed does not depend on the password at all.
    assert repr(settings) == repr(blank)
    assert repr(config) == str(config) == repr(blank.get_source_connection_config())
    assert repr(settings.provider.get_config("env")) == repr(blank.provider.get_config("env"))
    for make in (
        ConnectionFactory.get_source_connection,
        ConnectionFactory.get_analytics_connection,
    ):
        engine, other = make(settings), make(blank)
        assert repr(engine) == repr(other)
        assert str(engine.url) == repr(engine.url) == str(other.url)


def test_a_refused_login_shows_no_password(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    env = dict(lab.env)
    for name in env:
        if name.endswith("PASSWORD"):
            env[name] = HOSTILE
    settings = create_test_settings(env_vars=env)
    with caplog.at_level(logging.DEBUG):
        for engine in (
            ConnectionFactory.get_source_connection(settings),
            ConnectionFactory.get_analytics_connection(settings),
        ):
            with pytest.raises(Exception) as caught:  # noqa: PT011
                engine.connect()
            assert HOSTILE not in repr(caught.value) + str(caught.value)
            engine.dispose()
    assert HOSTILE not in caplog.text


def test_tls_modes(tmp_path: Path) -> None:
    def make(**values: str) -> dict[str, Any]:
        names = {f"TEST_OPENDENTAL_SOURCE_{key}": value for key, value in values.items()}
        settings = create_test_settings(env_vars=names)
        return make_mysql_args(settings.get_source_connection_config())

    assert "ssl" not in make()
    plain = create_test_settings().get_analytics_connection_config()
    assert make_postgres_args(plain)["sslmode"] == "prefer"
    assert make(SSL_MODE="disabled")["ssl_disabled"] is True
    required = make(SSL_MODE="REQUIRED")["ssl"]
    assert (required.verify_mode, required.check_hostname) == (ssl.CERT_NONE, False)
    identity = make(SSL_MODE="verify_identity")["ssl"]
    assert (identity.verify_mode, identity.check_hostname) == (ssl.CERT_REQUIRED, True)
    authority = make(SSL_MODE="verify_ca")["ssl"]
    assert (authority.verify_mode, authority.check_hostname) == (ssl.CERT_REQUIRED, False)
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        make(SSL_CA=str(broken))
    settings = create_test_settings(env_vars={"TEST_POSTGRES_ANALYTICS_SSL_CA": "/x/ca.pem"})
    args = make_postgres_args(settings.get_analytics_connection_config())
    assert (args["sslmode"], args["sslrootcert"]) == ("verify-ca", "/x/ca.pem")
    for values in (
        {"SSL_MODE": "preferred", "SSL_CA": "ca.pem"},
        {"SSL_MODE": "sometimes"},
        {"SSL_KEY": "key.pem"},
    ):
        names = {f"TEST_OPENDENTAL_SOURCE_{key}": value for key, value in values.items()}
        with pytest.raises(ConfigurationError, match="SSL_"):
            ConnectionFactory.get_source_connection(create_test_settings(env_vars=names))


def test_tls_that_nobody_asked_for_is_pymysqls_own_at_less_cost(lab: Lab) -> None:
    server = lab.servers.replication
    driver: Any = DriverConnection
    ours: Any = MysqlConnection
    login = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
    }
    connections = [made(**login) for made in (driver, ours, ours)]
    theirs, one, other = (connection.ctx for connection in connections)
    assert one is other
    for name in ("verify_mode", "check_hostname", "minimum_version", "protocol"):
        assert getattr(one, name) == getattr(theirs, name)
    assert one.options & theirs.options == theirs.options
    for connection in connections:
        assert not connection._ssl_required
        connection.close()
    given = ssl.create_default_context()
    asked = ours(**login, ssl=given, defer_connect=True)
    assert (asked.ctx, asked._ssl_required) == (given, True)


def test_one_database_behind_two_names_is_refused(lab: Lab) -> None:
    names = {
        f"TEST_MYSQL_REPLICATION_{key}": lab.env[f"TEST_OPENDENTAL_SOURCE_{key}"]
        for key in ("HOST", "PORT", "USER", "PASSWORD")
    }
    source = ConnectionFactory.get_source_connection(lab.settings)
    # Another name in the configuration: what a tunnel looks like from here.
    other = create_test_settings(
        env_vars=lab.env
        | names
        | {
            "TEST_MYSQL_REPLICATION_DB": lab.env["TEST_OPENDENTAL_SOURCE_DB"],
            "TEST_OPENDENTAL_SOURCE_HOST": "elsewhere",
        }
    )
    copy = ConnectionFactory.get_replication_connection(other)
    with pytest.raises(ConfigurationError, match="are the same database"):
        refuse_same_server_database(source, copy)
    replication = ConnectionFactory.get_replication_connection(lab.settings)
    refuse_same_server_database(source, replication)
    for engine in (source, copy, replication):
        engine.dispose()


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], ()),
        (["GRANT USAGE ON *.* TO `r`@`%` IDENTIFIED BY PASSWORD '*A'"], ()),
        (["GRANT SELECT, SHOW VIEW ON `db`.* TO `r`@`%`", "GRANT PROCESS ON *.* TO `r`@`%`"], ()),
        (["GRANT SELECT (`a`, `INSERT`), SHOW VIEW ON `db`.`t` TO `r`@`%`"], ()),
        (["GRANT `reader`@`%` TO `r`@`%`"], ()),
        (["GRANT ALL PRIVILEGES ON *.* TO `r`@`%`"], ("ALL PRIVILEGES ON *.*",)),
        (
            ["GRANT SELECT, INSERT, UPDATE (`a`, `b`) ON `db`.* TO `r`@`%` WITH GRANT OPTION"],
            ("INSERT ON `db`.*", "UPDATE ON `db`.*", "GRANT OPTION ON `db`.*"),
        ),
        (["GRANT SELECT, FILE ON *.* TO `r`@`%`"], ("FILE ON *.*",)),
        (["GRANT EXECUTE ON PROCEDURE `db`.`p` TO `r`@`%`"], ("EXECUTE ON PROCEDURE `db`.`p`",)),
    ],
)
def test_write_privileges(lines: list[str], found: tuple[str, ...]) -> None:
    assert parse_write_privileges(lines) == found
