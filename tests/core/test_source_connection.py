"""The source cannot be written, whoever asks for the connection; on a real server."""

from __future__ import annotations

import inspect
import socket
import threading
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from pymysql import err
from pymysql.connections import Connection as DriverConnection
from pymysql.constants import CLIENT, COMMAND, ER
from sqlalchemy import text

from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.driver_errors import explain
from etl_pipeline.core.source_connection import SourceConnection, list_session_statements
from etl_pipeline.core.source_keywords import FUNCTIONS
from etl_pipeline.core.throttle import Throttle, ThrottleLimits
from etl_pipeline.demo.server_databases import connect_mysql
from etl_pipeline.errors import DatabaseError, StatementRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from tests.conftest import Lab

WRITES = [
    "INSERT INTO patient VALUES (3)",
    "WITH x AS (SELECT 1) DELETE FROM patient",
    "SELECT 1 INTO OUTFILE '/tmp/etl_outfile'",
    "SELECT * FROM patient FOR UPDATE",
    "SELECT GET_LOCK('etl', 0)",
    "CALL change_it()",
    "SELECT change_it()",
    "SET GLOBAL max_connections = 100",
    "ANALYZE DELETE FROM patient",
    "SELECT 1; DELETE FROM patient",
    "SELECT 1 /*! FOR UPDATE */",
    "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE patient",
    "CREATE TEMPORARY TABLE x (a INT)",
    "SET SESSION TRANSACTION READ WRITE",
    "SET SESSION max_statement_time = 0",
]


@pytest.fixture
def engine(lab: Lab) -> Iterator[Engine]:
    with lab.source.cursor() as cursor:
        cursor.execute("CREATE TABLE patient (PatNum BIGINT PRIMARY KEY)")
        cursor.execute("INSERT INTO patient VALUES (1), (2)")
    engine = ConnectionFactory.get_source_connection(lab.settings)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("statement", WRITES)
def test_no_way_to_a_cursor_lets_a_write_through(engine: Engine, lab: Lab, statement: str) -> None:
    with engine.connect() as connection:
        with pytest.raises(StatementRefusedError):
            connection.execute(text(statement.replace(":", r"\:")))
        with pytest.raises(StatementRefusedError):
            connection.exec_driver_sql(statement)
        driver: Any = connection.connection.driver_connection
        with pytest.raises(StatementRefusedError):
            driver.query(statement)
    raw = engine.raw_connection()
    with pytest.raises(StatementRefusedError):
        raw.cursor().execute(statement)
    raw.close()
    with engine.connect() as connection:  # and the connection is as good as before
        assert connection.execute(text("SELECT COUNT(*) FROM patient")).scalar_one() == 2


def test_many_rows_at_once_are_refused_as_well(engine: Engine) -> None:
    raw = engine.raw_connection()
    with pytest.raises(StatementRefusedError):
        raw.cursor().executemany("INSERT INTO patient VALUES (%s)", [(3,), (4,)])
    raw.close()


def test_other_commands_of_the_protocol_are_refused(engine: Engine) -> None:
    raw = engine.raw_connection()
    driver: Any = raw.driver_connection
    for call in (
        lambda: driver.select_db("mysql"),
        lambda: driver.kill(1),
        lambda: driver.set_character_set("latin1"),
        lambda: driver._execute_command(COMMAND.COM_STMT_PREPARE, "DELETE FROM patient"),
        lambda: driver._execute_command(COMMAND.COM_STMT_PREPARE, "SET @x = 1"),
        lambda: driver._execute_command(COMMAND.COM_STMT_SEND_LONG_DATA, b"\1\0\0\0\0\0x"),
        lambda: driver._execute_command(COMMAND.COM_SHUTDOWN, ""),
    ):
        refused: Any = call
        with pytest.raises(StatementRefusedError):
            refused()
    driver.ping()
    driver.show_warnings()
    driver.begin()
    driver.rollback()
    raw.close()


def test_the_session_itself_is_read_only(lab: Lab) -> None:
    """Beneath the guard, the server says no as well, even to its administrator."""
    with lab.source.cursor() as cursor:
        cursor.execute("CREATE TABLE patient (PatNum BIGINT PRIMARY KEY)")
    admin = lab.servers.source
    driver: Any = SourceConnection(
        throttle=Throttle(ThrottleLimits(5)),
        host=admin.host,
        port=admin.port,
        user=admin.user,
        password=admin.password.encode(),
        database=lab.env["TEST_OPENDENTAL_SOURCE_DB"],
    )
    unguarded: Any = DriverConnection
    unguarded._execute_command(driver, COMMAND.COM_QUERY, "INSERT INTO patient VALUES (3)")
    with pytest.raises(pymysql.err.Error) as caught:
        driver._read_ok_packet()
    assert caught.value.args[0] == 1792
    driver.close()


def read_session(engine: Engine) -> tuple[Any, ...]:
    with engine.connect() as connection:
        sql = "SELECT @@sql_mode, @@time_zone, @@character_set_client, @@character_set_results"
        row = connection.exec_driver_sql(sql).one()
        limit = connection.exec_driver_sql(
            "SHOW VARIABLES WHERE Variable_name IN ('max_statement_time', 'max_execution_time')"
        ).one()
        access = connection.exec_driver_sql(
            "SHOW VARIABLES WHERE Variable_name IN ('tx_read_only', 'transaction_read_only')"
        ).all()
        patience = connection.exec_driver_sql("SELECT @@net_write_timeout").scalar_one()
        return (*row, float(limit[1]), {str(value) for _, value in access}, patience)


def test_sessions_are_alike_also_after_the_pool_renewed_them(lab: Lab) -> None:
    settings = lab.settings_with(pipeline={"source": {"max_seconds_per_statement": 7.5}})
    engine = ConnectionFactory.get_source_connection(settings)
    first = read_session(engine)
    assert first[:4] == ("", "+00:00", "utf8mb4", "utf8mb4")
    assert first[4] in (7.5, 7500)
    assert first[5] == {"ON"}
    assert first[6] == 8  # a reader that stalls, too, locks a MyISAM table for no longer
    assert read_session(engine) == first  # the same connection, reset
    engine.dispose()
    assert read_session(engine) == first  # another one
    engine.dispose()


def test_the_server_ends_a_long_statement(lab: Lab) -> None:
    settings = lab.settings_with(pipeline={"source": {"max_seconds_per_statement": 0.2}})
    engine = ConnectionFactory.get_source_connection(settings)
    slow = "SELECT COUNT(*) FROM information_schema.COLUMNS a, information_schema.COLUMNS b"
    with engine.connect() as connection, pytest.raises(Exception) as caught:  # noqa: PT011
        connection.exec_driver_sql(slow + ", information_schema.COLUMNS c")
    assert "time limit" in str(explain(caught.value, "source"))
    engine.dispose()


def test_files_are_not_offered(engine: Engine) -> None:
    raw = engine.raw_connection()
    driver: Any = raw.driver_connection
    assert str(type(driver).__name__) == SourceConnection.__name__
    assert not driver.client_flag & CLIENT.LOCAL_FILES
    assert not driver.client_flag & CLIENT.MULTI_STATEMENTS
    assert driver._local_infile is False
    raw.close()


def test_flags_and_character_set_cannot_be_given(lab: Lab) -> None:
    config = lab.settings.get_source_connection_config()
    connection: Any = SourceConnection(
        throttle=Throttle(ThrottleLimits(5)),
        host=config["host"],
        port=config["port"],
        user=config["user"],
        password=str(config["password"]).encode(),
        charset="gbk",
        local_infile=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
    assert connection.charset == "utf8mb4"
    assert not connection.client_flag & (CLIENT.LOCAL_FILES | CLIENT.MULTI_STATEMENTS)
    connection.close()


GREETING = (
    b"\x0a5.5.5-10.11.0-MariaDB\x00\x01\x00\x00\x00aaaaaaaa\x00"
    b"\xff\xf7\x2d\x02\x00\x0f\x80\x15" + b"\x00" * 10 + b"bbbbbbbbbbbb\x00"
    b"mysql_native_password\x00"
)
OK = b"\x00\x00\x00\x02\x00\x00\x00"


def serve_file_request(server: socket.socket, received: list[bytes]) -> None:
    """A server that lets everybody in and answers SELECT with a request for a file."""
    with server.accept()[0] as client:
        client.sendall(len(GREETING).to_bytes(3, "little") + b"\x00" + GREETING)
        while True:
            header = client.recv(4, socket.MSG_WAITALL)
            if len(header) < 4:
                return
            body = client.recv(int.from_bytes(header[:3], "little"), socket.MSG_WAITALL)
            received.append(body)
            answer = b"\xfb/etc/hostname" if body.startswith(b"\x03SELECT") else OK
            sequence = bytes([(header[3] + 1) % 256])
            client.sendall(len(answer).to_bytes(3, "little") + sequence + answer)


def test_a_server_that_asks_for_a_file_gets_none() -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve_file_request, args=(server, received))
        thread.start()
        connection = SourceConnection(
            throttle=Throttle(ThrottleLimits(5)),
            host="127.0.0.1",
            port=server.getsockname()[1],
            user="u",
            password=b"p",
            ssl_disabled=True,
        )
        with (
            connection.cursor() as cursor,
            pytest.raises(StatementRefusedError, match="asked for a local file"),
        ):
            cursor.execute("SELECT 1")
        assert not connection.open
        thread.join(10)
    assert received[-1].startswith(b"\x03SELECT")  # nothing was sent after the request


def test_an_unknown_limit_is_explained() -> None:
    assert "max_execution_time=1500" in list_session_statements("8.4.0", 1.5)[0]
    assert "max_execution_time=1," in list_session_statements("5.7.44-log", 0.0001)[0] + ","
    assert "information_schema_stats_expiry=0" in list_session_statements("9.7.4-2", 1)[0]
    assert "information_schema" not in list_session_statements("5.7.44-log", 1)[0]
    assert "max_statement_time=1.5" in list_session_statements("5.5.5-10.11.6-MariaDB", 1.5)[0]
    error = explain(pymysql.err.OperationalError(1193, "x"), "source")
    assert isinstance(error, DatabaseError)
    assert "setting" in str(error)


def test_pymysql_is_built_as_we_think() -> None:
    """Everything that PyMySQL sends goes through what we override."""
    source = inspect.getsource(DriverConnection)
    writers = [
        name
        for name, function in inspect.getmembers(DriverConnection, inspect.isfunction)
        if "_write_bytes(" in inspect.getsource(function) and name != "_write_bytes"
    ]
    assert sorted(writers) == ["_execute_command", "close", "write_packet"]
    assert source.count("self._execute_command(") > 5
    assert "**WARN**" in inspect.getsource(pymysql.connections.MySQLResult)
    with warnings.catch_warnings():
        assert issubclass(SourceConnection, DriverConnection)


def test_what_may_be_called_is_the_servers_own(lab: Lab) -> None:
    """So no stored function of that name is called in its place."""
    with closing(connect_mysql(lab.servers.source)) as connection, connection.cursor() as cursor:
        strangers = []
        for name in sorted(FUNCTIONS):
            try:
                cursor.execute(f"SELECT {name}()")
            except err.MySQLError as error:
                if error.args[0] in (ER.SP_DOES_NOT_EXIST, ER.NO_DB_ERROR):
                    strangers.append(name)
        assert strangers == []
