"""The log as a stream: waiting, going on, and what ends it."""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pymysql
import pytest

from etl_pipeline.binlog.position import Position
from etl_pipeline.binlog.server_log import list_files, read_position, shows, snapshot_end
from etl_pipeline.core.driver_errors import is_passing, is_privilege, read_meaning
from etl_pipeline.core.error_meaning import SERVER_SILENT
from etl_pipeline.core.grant_statements import grant_log, grant_source
from etl_pipeline.errors import LogError, PositionLostError, StatementRefusedError
from tests.binlog.following import PATIENCE_SECONDS, SERVER_ID, read_upto
from tests.freezing import continue_processes, stop_processes

if TYPE_CHECKING:
    from etl_pipeline.binlog.stream import LogStream
    from tests.binlog.following import Followed
    from tests.conftest import Lab

TABLE = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int)"


def read_on(stream: LogStream) -> None:
    """Read for a while, until the stream ends."""
    for _ in range(20):
        stream.read(time.monotonic() + 1)


def test_waiting_ends(followed: Followed) -> None:
    followed.make(TABLE)
    with followed.open() as stream:
        began = time.monotonic()
        while stream.read(time.monotonic() + 0.3) is not None:
            pass
        assert time.monotonic() - began < 2
        # Heartbeats are no changes and no reason to come back early.
        began = time.monotonic()
        assert stream.read(began + 2.5) is None
        assert 2.4 < time.monotonic() - began < 3.5
        followed.run("INSERT INTO t VALUES (1, 1)")
        found = stream.read(time.monotonic() + PATIENCE_SECONDS)
        assert found is not None
        assert set(found.tables) == {"t"}
        assert abs(found.at - time.time()) < 5


@pytest.mark.parametrize("seed", [1, 2])
def test_any_position_goes_on_without_gap_or_repetition(followed: Followed, seed: int) -> None:
    followed.make(TABLE)
    rng = random.Random(seed)
    for n in range(30):
        followed.run(f"INSERT INTO t VALUES ({n}, 1)")
        if rng.random() < 0.15:
            followed.run("FLUSH BINARY LOGS")
    end = followed.end()
    whole = followed.look().transactions
    assert [t for t in whole if t.tables]
    for _ in range(6):
        cut = rng.randrange(len(whole))
        position = Position.parse(str(whole[cut].position))
        with followed.open(position) as stream:
            rest = [t for t in read_upto(stream, end).transactions if t.tables]
        expected = [t for t in whole[cut + 1 :] if t.tables]
        assert [t.position for t in rest] == [t.position for t in expected]
        assert [list(t.tables["t"].keys.lines()) for t in rest if t.tables["t"].keys] == [
            list(t.tables["t"].keys.lines()) for t in expected if t.tables["t"].keys
        ]


def test_a_gtid_alone_goes_on(followed: Followed) -> None:
    followed.make(TABLE)
    if not followed.position.gtid:
        pytest.skip("the server has no GTIDs")
    followed.run("INSERT INTO t VALUES (1, 1)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (2, 1)")
    followed.run("INSERT INTO t VALUES (3, 1)")
    end = followed.end()
    first = next(t for t in followed.look().transactions if t.tables)
    elsewhere = replace(first.position, file="other.000001", offset=4, began=0)
    with followed.open(elsewhere, by_gtid=True) as stream:
        rest = read_upto(stream, end)
    assert rest.lines("t") == {b"2", b"3"}
    assert rest.transactions[-1].position.gtid == end.gtid


def test_a_rotation_moves_the_position(followed: Followed) -> None:
    """An idle follower's file is not purged under it."""
    followed.make(TABLE)
    followed.run("FLUSH BINARY LOGS")
    end = followed.end()
    found = followed.look()
    assert found.transactions[-1].position.file == end.file
    assert followed.stream is not None
    assert followed.stream.position.place >= end.place


def purge(followed: Followed, file: str) -> None:
    """Purge the log up to its last file, once the server has noticed that older dumps ended."""
    for _ in range(200):
        followed.run(f"PURGE BINARY LOGS TO '{followed.end().file}'")
        if file not in list_files(followed.admin):
            return
        time.sleep(0.1)
    raise AssertionError("not purged")


def test_a_purged_log_is_noticed(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run("INSERT INTO t VALUES (1, 1)")
    old = followed.position
    followed.stop()
    followed.run("FLUSH BINARY LOGS", "INSERT INTO t VALUES (2, 1)")
    purge(followed, old.file)
    with pytest.raises(PositionLostError, match="no longer has the log file"):
        followed.open(old)
    if old.gtid:
        with followed.open(old, by_gtid=True) as stream, pytest.raises(PositionLostError):
            stream.read(time.monotonic() + PATIENCE_SECONDS)


def test_a_log_that_was_reset_is_noticed(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run("FLUSH BINARY LOGS", "INSERT INTO t VALUES (1, 1)")
    followed.look()
    old = followed.position
    followed.stop()
    followed.run("RESET MASTER" if followed.is_mariadb else "RESET BINARY LOGS AND GTIDS")
    with pytest.raises(PositionLostError):
        followed.open(old)
    # A file of the same name that has grown past the position is another file all the same.
    time.sleep(1.1)
    number = old.place[0]
    for _ in range(number - followed.end().place[0]):
        followed.run("FLUSH BINARY LOGS")
    for n in range(10, 40):
        followed.run(f"INSERT INTO t VALUES ({n}, 1)")
    assert followed.end().place > old.place
    with followed.open(old) as stream, pytest.raises(PositionLostError, match="begun anew"):
        read_upto(stream, followed.end())


def test_a_position_in_the_middle_of_an_event_is_an_error(followed: Followed) -> None:
    followed.make(TABLE)
    followed.run("INSERT INTO t VALUES (1, 1)")
    followed.look()
    wrong = replace(followed.position, offset=followed.position.offset - 3)
    with followed.open(wrong) as stream, pytest.raises(LogError):
        read_upto(stream, followed.end())


def test_a_restart_of_the_server_loses_nothing(followed: Followed) -> None:
    if followed.server.folder is None:
        pytest.skip("the server is somebody else's")
    followed.make(TABLE)
    followed.run("INSERT INTO t VALUES (1, 1)")
    followed.look()
    followed.run("INSERT INTO t VALUES (2, 1)")
    position, stream = followed.position, followed.stream
    followed.server.restart()
    followed.admin = followed.server.connect(followed.name)
    followed.run("INSERT INTO t VALUES (3, 1)")
    assert stream is not None
    with pytest.raises(pymysql.MySQLError) as caught:
        read_on(stream)
    assert is_passing(caught.value)
    stream.close()
    with followed.open(position) as again:
        assert read_upto(again, followed.end()).lines("t") == {b"2", b"3"}


def test_a_second_reader_of_the_same_number_is_named(followed: Followed) -> None:
    """The server ends the first dump; which of the two goes on is not for us to say."""
    followed.make(TABLE)
    with followed.open() as first:
        first.read(time.monotonic() + 0.5)
        with followed.open(server_id=SERVER_ID) as second:
            second.read(time.monotonic() + 0.5)
            with pytest.raises((LogError, pymysql.MySQLError)):
                read_on(first)


def test_the_guard_lets_no_dump_through_elsewhere(followed: Followed) -> None:
    with closing(followed.connect_source()) as source:
        for command in (0x12, 0x15, 0x1E):
            with pytest.raises(StatementRefusedError):
                source._execute_command(command, b"\0" * 18)
    with closing(followed.connect_log()) as log, pytest.raises(StatementRefusedError):
        log.cursor().execute("INSERT INTO t VALUES (1)")


def test_a_snapshot_tells_what_it_shows(followed: Followed) -> None:
    followed.make(TABLE)
    with closing(followed.connect_source()) as source, source.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        followed.run("INSERT INTO t VALUES (1, 1)")
        found = followed.look()
        later = found.transactions[-1].position
        if followed.is_mariadb:
            assert shows(source, later) is False
            assert snapshot_end(source).place < later.place
        cursor.execute("COMMIT")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        assert shows(source, later) in (True, None)
        assert snapshot_end(source).place >= later.place


def test_a_row_of_many_packets(followed: Followed) -> None:
    followed.make("CREATE TABLE t (b longblob, id int NOT NULL PRIMARY KEY)")
    with followed.admin.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (REPEAT('x', 40000000), 1)")
        cursor.execute("INSERT INTO t VALUES (REPEAT('x', 16777215 - 100), 2)")
    assert followed.look().lines("t") == {b"1", b"2"}


def test_the_privileges_of_the_doctor_suffice(followed: Followed) -> None:
    user = f"reader_{followed.name}"
    followed.make(TABLE)
    followed.run(f"CREATE USER {user} IDENTIFIED BY 'secret'")
    try:
        followed.run(grant_source(followed.name, user))
        login = {"user": user, "password": "secret"}
        with (
            pytest.raises(pymysql.MySQLError) as caught,
            closing(followed.connect_source(**login)) as source,
        ):
            read_position(source)
        assert is_privilege(caught.value)
        followed.run(grant_log(user))
        with closing(followed.connect_source(**login)) as source:
            position = read_position(source)
            assert snapshot_end(source).file == position.file
        with followed.open(position, connection=followed.connect_log(**login)) as stream:
            followed.run("INSERT INTO t VALUES (1, 1)")
            assert read_upto(stream, followed.end()).lines("t") == {b"1"}
    finally:
        followed.run(f"DROP USER {user}")


def test_a_server_without_a_log_is_told(lab: Lab) -> None:
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT @@log_bin")
        if cursor.fetchone() != (0,):
            pytest.skip("it has one")
    assert list_files(lab.replication) == {}
    with pytest.raises(LogError, match="keeps no binary log"):
        read_position(lab.replication)


def test_a_frozen_server_ends_a_wait(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    if followed.server.folder is None:
        pytest.skip("the server is somebody else's")
    monkeypatch.setattr("etl_pipeline.binlog.stream.SILENCE_SECONDS", 2.5)
    followed.make(TABLE)
    pids = followed.server.find_pids()
    with followed.open() as stream:
        stream.read(time.monotonic() + 0.5)
        stop_processes(pids)
        began = time.monotonic()
        try:
            with pytest.raises(pymysql.MySQLError) as caught:
                read_on(stream)
        finally:
            continue_processes(pids)
    assert time.monotonic() - began < 6
    assert read_meaning(caught.value)[0] is SERVER_SILENT


def test_a_reader_that_takes_nothing_is_let_go(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the log is not kept for it, and what was missed comes with the next stream."""
    monkeypatch.setattr("etl_pipeline.core.log_connection.STALL_SECONDS", 1)
    followed.make("CREATE TABLE t (id int NOT NULL PRIMARY KEY, b longblob)")
    with followed.open() as stream:
        followed.run(*(f"INSERT INTO t VALUES ({n}, REPEAT('x', 4000000))" for n in range(12)))
        end = followed.end()
        dump = stream._connection.thread_id()
        for _ in range(200):
            time.sleep(0.1)
            with followed.admin.cursor() as cursor:
                cursor.execute("SHOW PROCESSLIST")
                if dump not in [row[0] for row in cursor.fetchall()]:
                    break
        else:
            raise AssertionError("the server waits on")
        with pytest.raises(pymysql.MySQLError) as caught:
            read_upto(stream, end)
        assert is_passing(caught.value)
        position = stream.position
    with followed.open(position) as stream:
        missed = read_upto(stream, end).lines("t")
    assert b"11" in missed


@pytest.mark.parametrize("option", ["--binlog-ignore-db={}", "--binlog-do-db=other"])
def test_a_log_that_leaves_the_database_out_is_refused(followed: Followed, option: str) -> None:
    if followed.server.folder is None:
        pytest.skip("the server is somebody else's")
    followed.make(TABLE)
    try:
        followed.server.restart(option.format(followed.name))
        followed.admin = followed.server.connect(followed.name)
        with pytest.raises(LogError, match="leaves out the database"):
            followed.open(followed.end())
    finally:
        followed.server.restart()
        followed.admin = followed.server.connect(followed.name)
    followed.open(followed.end()).close()
