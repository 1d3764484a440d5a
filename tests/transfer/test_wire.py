"""The contract with PyMySQL: what ``wire`` and ``load_data`` use of its insides is still so.

When one of these fails after an upgrade, read PyMySQL's ``connections.py`` again before anything
else: rows are taken from under it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT
from pymysql.protocol import LoadLocalPacketWrapper, OKPacketWrapper

from etl_pipeline.core.driver_errors import is_passing
from etl_pipeline.transfer import wire
from etl_pipeline.transfer.layout import Form, Wire
from tests.transfer.proxy import Proxy

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_minor_version_is_the_one_the_adapter_was_written_for() -> None:
    pinned = re.search(r"pymysql\[rsa\]>=(\d+)\.(\d+),<(\d+)\.(\d+)", PYPROJECT.read_text())
    assert pinned is not None
    major, minor, next_major, next_minor = map(int, pinned.groups())
    assert (next_major, next_minor) == (major, minor + 1), "the pin is not one minor version"
    assert pymysql.VERSION[:2] == (major, minor)


def test_a_result_is_opened_and_its_rows_are_left_to_us(replication: Any) -> None:
    cursor = replication.cursor()
    cursor.execute("CREATE TEMPORARY TABLE t (a bigint, b int, c varchar(9), d date)")
    cursor.execute("INSERT INTO t VALUES (1, NULL, 'xyz', '2024-02-29')")
    result = wire.open_result(replication, "SELECT * FROM t")
    assert result.forms == (Form(Wire.INT8), Form(Wire.INT4), Form(), Form(Wire.DATE))
    # Without CLIENT.DEPRECATE_EOF the definitions end in an EOF packet, and so do the rows.
    assert isinstance(replication._rfile, io.BufferedReader)
    row = b"\0\x08" + (1).to_bytes(8, "little") + b"\x03xyz" + b"\x04\xe8\x07\x02\x1d"
    expected = bytes([len(row), 0, 0, 7]) + row + b"\x05\x00\x00\x08\xfe\x00\x00"
    block = wire.read_more(replication, b"", 0)
    while len(block) < len(expected) + 2:
        block = wire.read_more(replication, bytes(block), 0)
    assert block.startswith(expected)
    assert len(block) == len(expected) + 2
    wire.close_statement(replication, result.statement)
    assert OKPacketWrapper(wire.send_query(replication, "DO 1")).affected_rows == 0


def test_pymysql_does_not_ask_for_another_end_of_rows_or_for_compression(replication: Any) -> None:
    deprecate_eof, compress = 1 << 24, CLIENT.COMPRESS
    assert not replication.client_flag & (deprecate_eof | compress)
    assert replication.client_flag & CLIENT.LOCAL_FILES
    assert not replication._local_infile


def test_the_next_query_finds_nothing_of_ours_to_drain(replication: Any) -> None:
    header = wire.send_query(replication, "SELECT 5")
    assert header.read_length_encoded_integer() == 1
    # PyMySQL reads the rest of a result that it knows of before a command; ours it must not know.
    assert replication._result is None or not replication._result.unbuffered_active


def test_an_error_packet_is_raised_by_number_and_the_connection_stays(replication: Any) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        wire.send_query(replication, "SELECT no_such_column")
    assert caught.value.args[0] == 1054
    assert replication.open
    assert OKPacketWrapper(wire.send_query(replication, "DO 1")).affected_rows == 0


def test_a_statement_may_be_larger_than_a_packet(replication: Any) -> None:
    cursor = replication.cursor()
    cursor.execute("SELECT @@max_allowed_packet")
    if cursor.fetchone()[0] < 1 << 25:
        pytest.skip("the server takes no such packet")
    statement = b"DO '" + b"x" * (1 << 24) + b"'"
    assert OKPacketWrapper(wire.send_query(replication, statement)).warning_count == 0


def test_what_a_statement_did_is_in_the_ok_packet(replication: Any) -> None:
    cursor = replication.cursor()
    cursor.execute("CREATE TEMPORARY TABLE t (k int)")
    answer = OKPacketWrapper(wire.send_query(replication, "INSERT INTO t VALUES (1), (2)"))
    assert (answer.affected_rows, answer.warning_count) == (2, 0)
    assert b"Records: 2" in answer.message
    # An error that is only noted must be seen.
    cursor.execute("SET sql_mode = ''")
    answer = OKPacketWrapper(wire.send_query(replication, "INSERT INTO t VALUES ('x')"))
    assert answer.warning_count == 1


@pytest.mark.usefixtures("infile")
def test_load_local_is_a_request_for_a_name_and_packets_in_sequence(replication: Any) -> None:
    replication.cursor().execute("CREATE TEMPORARY TABLE t (k int)")
    request = wire.send_query(replication, "LOAD DATA LOCAL INFILE 'a name' INTO TABLE t (k)")
    assert request.is_load_local_packet()
    assert LoadLocalPacketWrapper(request).filename == b"a name"
    for number in range(300):  # the sequence number starts again at 256
        replication.write_packet(b"%d\n" % number)
    replication.write_packet(b"")
    answer = OKPacketWrapper(wire.read_packet(replication))
    assert answer.affected_rows == 300


def test_closing_at_once_says_nothing_to_the_server(
    proxy: Proxy, connect: Callable[..., Any]
) -> None:
    connection = connect()
    wire.send_query(connection, "SELECT 1")
    before = proxy.server_bytes
    wire.close_at_once(connection)
    assert not connection.open
    with pytest.raises(pymysql.err.InterfaceError) as caught:
        wire.send_query(connection, "SELECT 1")
    assert is_passing(caught.value)
    proxy.close()
    assert proxy.server_bytes == before


def test_a_large_row_is_waited_for_and_an_early_end_is_a_lost_connection(
    proxy: Proxy, connect: Callable[..., Any]
) -> None:
    for cut in (False, True):
        connection = connect()
        if cut:
            proxy.cut_after(500_000)
        header = wire.send_query(connection, "SELECT REPEAT('x', 1000000)")
        assert header.read_length_encoded_integer() == 1
        for _ in range(2):
            wire.read_packet(connection)
        missing = 1_000_000 + 4 + 4
        if cut:
            with pytest.raises(pymysql.err.OperationalError) as caught:
                wire.read_more(connection, b"", missing)
            assert is_passing(caught.value)
        else:
            assert len(wire.read_more(connection, b"", missing)) == missing
