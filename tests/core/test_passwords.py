"""A password goes to nobody who might be somebody else; PostgreSQL's variables change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from etl_pipeline.config import create_test_settings
from etl_pipeline.config.resolve import is_this_machine
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.connect_args import NO_CLEARTEXT, make_postgres_args
from etl_pipeline.core.encryption import ConnectionSecurity, read_line, warn_of_open
from etl_pipeline.errors import ConfigurationError
from tests.conftest import Lab
from tests.core.false_server import false_server, has_given_away, mysql, postgres

APART = ["unshare", "--net", *(["--map-root-user"] if os.getuid() else [])]


def may_unshare() -> bool:
    """Whether this machine lets a test make a network of its own."""
    try:
        return subprocess.run([*APART, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_unshare(), reason="no network namespaces here")
def test_a_false_server_off_this_machine_gets_no_password() -> None:
    done = subprocess.run(
        [*APART, sys.executable, "-m", "tests.core.off_loopback"],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 15
    for expected, became, words in lines:
        assert became == expected, words
        if expected == "kept":
            assert "ssl_ca" in words
            assert "allow_cleartext_password: true" in words


@pytest.mark.parametrize("way", ["mysql_clear_password", "caching_sha2_password"])
def test_a_server_on_this_machine_may_ask(way: str) -> None:
    with false_server("127.0.0.2", mysql(way)) as server:
        env = {
            "TEST_OPENDENTAL_SOURCE_HOST": "127.0.0.2",
            "TEST_OPENDENTAL_SOURCE_PORT": str(server.port),
        }
        engine = ConnectionFactory.get_source_connection(create_test_settings(env_vars=env))
        with pytest.raises(Exception, match="2013"):
            engine.connect()
    assert has_given_away(server.heard, "test_password")


def test_postgres_on_this_machine_may_ask() -> None:
    with false_server("127.0.0.2", postgres) as server:
        env = {
            "TEST_POSTGRES_ANALYTICS_HOST": "127.0.0.2",
            "TEST_POSTGRES_ANALYTICS_PORT": str(server.port),
        }
        engine = ConnectionFactory.get_analytics_connection(create_test_settings(env_vars=env))
        with pytest.raises(Exception, match="closed the connection"):
            engine.connect()
    assert has_given_away(server.heard, "test_password")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "[::1]",
        "::ffff:127.0.0.1",
        "/run/mysqld",
    ],
)
def test_what_stays_on_this_machine(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "127.0.0.1.example.com", "db", "fe80::1%lo", "::ffff:10.0.0.1", ""]
)
def test_what_may_leave_it(host: str) -> None:
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({}, True),
        ({"ssl_mode": "require"}, True),
        ({"ssl_mode": "verify-ca"}, False),
        ({"ssl_mode": "verify-full"}, False),
        ({"allow_cleartext_password": True}, False),
        ({"host": "127.0.0.1"}, False),
        ({"host": "127.0.0.1,db"}, True),
    ],
)
def test_when_postgres_may_have_the_password(changed: dict[str, object], kept: bool) -> None:
    config = {"connect_timeout": 1, "schema": "raw", "ssl_mode": "prefer", "host": "db"}
    given = make_postgres_args(config | changed)["require_auth"]
    assert (given == NO_CLEARTEXT) is kept


def test_a_line_in_clear_is_told_of_where_it_leaves_this_machine(lab: Lab) -> None:
    line = read_line(ConnectionFactory.get_source_connection(lab.settings), "source")
    assert (line.tls, line.is_local) == (None, True)
    assert warn_of_open([line]) == []
    far = [ConnectionSecurity(name, None, False, False) for name in ("source", "analytics")]
    safe = ConnectionSecurity("replication", "TLSv1.3", False, False)
    (words,) = warn_of_open([far[0], safe, far[1]])
    assert words.startswith("not encrypted: the line to source and to analytics;")
    assert len(words) < 160


def spoiled(option: psycopg.pq.ConninfoOption) -> str:
    """A value that changes or breaks a connection if it acts."""
    values = {
        b"options": "-c search_path=pg_catalog",
        b"sslmode": "verify-full",
        b"sslnegotiation": "direct",
        b"gssencmode": "require",
        b"require_auth": "none",
        b"channel_binding": "require",
        b"sslcertmode": "require",
        b"target_session_attrs": "standby",
        b"requirepeer": "nobody",
        b"min_protocol_version": "3.2",
    }
    return values.get(option.keyword, "nonsense")


def test_no_variable_of_libpq_acts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [one for one in psycopg.pq.Conninfo.get_defaults() if one.envvar]
    assert len(options) > 30
    for option in options:
        if option.keyword != b"service":
            assert option.envvar
            monkeypatch.setenv(option.envvar.decode(), spoiled(option))
    # These three are none of its parameters.
    for name, value in (("PGTZ", "Asia/Tokyo"), ("PGDATESTYLE", "German"), ("PGGEQO", "off")):
        monkeypatch.setenv(name, value)
    engine = ConnectionFactory.get_analytics_connection(lab.settings)
    with engine.connect() as connection:
        shown = connection.exec_driver_sql(
            "SELECT current_setting('TimeZone'), current_setting('DateStyle'), "
            "current_setting('search_path'), current_setting('application_name')"
        ).one()
    engine.dispose()
    assert shown == ("UTC", "ISO, MDY", "raw", "etl_pipeline")


def test_a_service_is_refused_since_libpq_looks_for_it_in_any_case(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICE", "other")
    with pytest.raises(ConfigurationError, match="PGSERVICE is set"):
        ConnectionFactory.get_analytics_connection(lab.settings)


def test_option_files_of_mysql_are_not_read(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[client]\nhost=203.0.113.1\nuser=nobody\npassword=x\nssl-ca=/none\nport=1\n"
    for name in (".my.cnf", "my.cnf", ".mylogin.cnf"):
        (tmp_path / name).write_text(text)
    for name in ("HOME", "MYSQL_HOME", "MARIADB_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_PWD", "MYSQL_UNIX_PORT"):
        monkeypatch.setenv(name, "1")
    with ConnectionFactory.get_source_connection(lab.settings).connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
