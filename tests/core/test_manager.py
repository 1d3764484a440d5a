"""Spacing, retries and lost work, on real servers; only clock, sleep and faults are made up."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from sqlalchemy import Engine, event

from etl_pipeline.core import ConnectionFactory, create_connection_manager
from etl_pipeline.core.manager import ConnectionManager, Pace
from etl_pipeline.core.orphans import end_orphan, is_at_work, read_server_id
from etl_pipeline.errors import DatabaseError, LostWorkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Lab


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(round(seconds, 6))
        self.now += seconds


class Faults:
    """Makes the next statements of an engine fail as a driver would, before they are sent."""

    def __init__(self, engine: Engine, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.sent: list[str] = []
        event.listen(engine, "do_execute", self._on_execute)
        event.listen(engine, "do_execute_no_params", self._on_no_params)

    def _on_execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        self._fail(statement)

    def _on_no_params(self, cursor: Any, statement: str, context: Any) -> None:
        self._fail(statement)

    def _fail(self, statement: str) -> None:
        if statement.startswith(("KILL", "SHOW PROCESSLIST")):
            return
        self.sent.append(statement)
        if self.numbers:
            raise pymysql.err.OperationalError(self.numbers.pop(0), "made up")


@pytest.fixture
def fake() -> FakeTime:
    return FakeTime()


@pytest.fixture
def source(lab: Lab) -> Iterator[Engine]:
    engine = ConnectionFactory.get_source_connection(lab.settings)
    yield engine
    engine.dispose()


@pytest.fixture
def replication(lab: Lab) -> Iterator[Engine]:
    with lab.replication.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a BIGINT PRIMARY KEY, b TEXT)")
    engine = ConnectionFactory.get_replication_connection(lab.settings)
    yield engine
    engine.dispose()


@pytest.fixture
def analytics(lab: Lab) -> Iterator[Engine]:
    engine = ConnectionFactory.get_analytics_connection(lab.settings)
    yield engine
    engine.dispose()


def manage(engine: Engine, fake: FakeTime, pace: Pace | None = None) -> ConnectionManager:
    return ConnectionManager(engine, pace, clock=fake.clock, sleep=fake.sleep)


def kill(lab: Lab, server_id: int) -> None:
    with lab.replication.cursor() as cursor:
        cursor.execute(f"KILL {server_id}")
    time.sleep(0.05)


def test_one_connection_is_reused_and_opened_late(source: Engine, fake: FakeTime) -> None:
    pool: Any = source.pool
    with manage(source, fake) as manager:
        assert pool.checkedout() == 0
        first = manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one()
        assert manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one() == first
        assert pool.checkedout() == 1
    assert pool.checkedout() == 0


@pytest.mark.parametrize(("spacing", "waits"), [(0.1, [0.1, 0.1]), (2.5, [2.5, 2.5]), (0, [])])
def test_starts_are_spaced(
    source: Engine, fake: FakeTime, spacing: float, waits: list[float]
) -> None:
    with manage(source, fake, Pace(spacing_seconds=spacing)) as manager:
        for _ in range(3):
            manager.execute_with_retry("SELECT 1")
    assert fake.sleeps == waits


def test_time_between_statements_counts(source: Engine, fake: FakeTime) -> None:
    with manage(source, fake) as manager:
        manager.execute_with_retry("SELECT 1")
        fake.now += 0.06
        manager.execute_with_retry("SELECT 1")
        fake.now += 5
        manager.execute_with_retry("SELECT 1")
    assert fake.sleeps == [0.04]


def test_three_attempts_with_doubling_waits(
    source: Engine, fake: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    faults = Faults(source, 1205, 1205, 1205)
    pace = Pace(spacing_seconds=0, first_wait_seconds=0.5)
    with manage(source, fake, pace) as manager, pytest.raises(DatabaseError, match="met a lock"):
        manager.execute_with_retry("SELECT 1")
    assert len(faults.sent) == 3
    assert fake.sleeps == [0.5, 1.0]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "made up" not in caplog.text


def test_jitter_is_added_to_a_wait(source: Engine, fake: FakeTime) -> None:
    Faults(source, 1205, 1205)
    pace = Pace(spacing_seconds=0, first_wait_seconds=1, jitter_seconds=0.25)
    with manage(source, fake, pace) as manager:
        manager.execute_with_retry("SELECT 1")
    assert 1 <= fake.sleeps[0] <= 1.25
    assert 2 <= fake.sleeps[1] <= 2.25


@pytest.mark.parametrize("number", [1064, 1045, 1146, 1142, 1969, 1021, 1062])
def test_lasting_faults_are_raised_at_once(source: Engine, fake: FakeTime, number: int) -> None:
    faults = Faults(source, number)
    with manage(source, fake) as manager, pytest.raises(DatabaseError, match=str(number)):
        manager.execute_with_retry("SELECT 1")
    assert (len(faults.sent), fake.sleeps) == (1, [])


def test_a_retry_has_a_fresh_connection(replication: Engine, fake: FakeTime, lab: Lab) -> None:
    with manage(replication, fake) as manager:
        first = manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one()
        manager.commit()
        kill(lab, first)
        assert manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one() != first


def test_a_lost_read_is_repeated_and_a_write_after_commit_too(
    replication: Engine, fake: FakeTime, lab: Lab
) -> None:
    with manage(replication, fake) as manager:
        manager.execute_with_retry("INSERT INTO t VALUES (1, 'x')")
        manager.commit()
        kill(lab, manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one())
        manager.execute_with_retry("INSERT INTO t VALUES (2, 'x')")
        manager.commit()
        assert manager.execute_with_retry("SELECT COUNT(*) FROM t").scalar_one() == 2


def test_lost_work_is_said_and_nothing_repeated(
    replication: Engine, fake: FakeTime, lab: Lab
) -> None:
    with manage(replication, fake) as manager:
        manager.execute_with_retry("INSERT INTO t VALUES (1, 'hunter2')")
        kill(lab, manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one())
        with pytest.raises(LostWorkError) as caught:
            manager.execute_with_retry("INSERT INTO t VALUES (2, 'hunter2')")
        assert "hunter2" not in str(caught.value)
        assert manager.execute_with_retry("SELECT COUNT(*) FROM t").scalar_one() == 0


def test_work_lost_while_committing_is_said(replication: Engine, fake: FakeTime, lab: Lab) -> None:
    with manage(replication, fake) as manager:
        manager.execute_with_retry("INSERT INTO t VALUES (1, 'x')")
        kill(lab, manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one())
        with pytest.raises(LostWorkError, match="while committing"):
            manager.commit()


def test_a_deadlock_with_earlier_work_is_lost_work(replication: Engine, fake: FakeTime) -> None:
    with manage(replication, fake) as manager:
        manager.execute_with_retry("INSERT INTO t VALUES (1, 'x')")
        Faults(replication, 1213)
        with pytest.raises(LostWorkError):
            manager.execute_with_retry("SELECT 1")


def test_a_snapshot_is_work(source: Engine, fake: FakeTime) -> None:
    with manage(source, fake) as manager:
        manager.execute_with_retry("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        Faults(source, 2013)
        with pytest.raises(LostWorkError):
            manager.execute_with_retry("SELECT 1")


def test_an_unprotected_write_is_not_repeated(replication: Engine, fake: FakeTime) -> None:
    engine = replication.execution_options(isolation_level="AUTOCOMMIT")
    with manage(engine, fake) as manager:
        manager.execute_with_retry("INSERT INTO t VALUES (1, 'x')")
        Faults(engine, 2013)
        with pytest.raises(LostWorkError, match="during a statement"):
            manager.execute_with_retry("INSERT INTO t VALUES (2, 'x')")


def test_leaving_rolls_back_what_was_not_committed(
    replication: Engine, fake: FakeTime, lab: Lab
) -> None:
    manager = manage(replication, fake)
    with manager:
        manager.execute_with_retry("INSERT INTO t VALUES (1, 'x')")
        manager.commit()
        manager.execute_with_retry("INSERT INTO t VALUES (2, 'x')")
        manager.rollback()
        manager.execute_with_retry("INSERT INTO t VALUES (3, 'x')")
    with pytest.raises(DatabaseError, match="no such table"), manager:  # noqa: PT012
        manager.execute_with_retry("INSERT INTO t VALUES (4, 'x')")
        manager.execute_with_retry("SELECT * FROM nowhere")
    with lab.replication.cursor() as cursor:
        cursor.execute("SELECT a FROM t")
        assert list(cursor.fetchall()) == [(1,)]


def test_leaving_after_the_connection_was_killed_is_quiet(
    replication: Engine, fake: FakeTime, lab: Lab
) -> None:
    with manage(replication, fake) as manager:
        kill(lab, manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one())
    pool: Any = replication.pool
    assert pool.checkedout() == 0


def test_plain_text_is_sent_as_it_is_and_values_are_bound(
    replication: Engine, fake: FakeTime
) -> None:
    with manage(replication, fake) as manager:
        plain = manager.execute_with_retry("SELECT '100% :name %(x)s %s', 7 % 4").one()
        assert tuple(plain) == ("100% :name %(x)s %s", 3)
        hostile = "'; DROP TABLE t; -- \\ %s"
        assert manager.execute_with_retry("SELECT :v", {"v": hostile}).scalar_one() == hostile


def test_a_statement_nobody_waits_for_is_ended_before_the_next(lab: Lab, fake: FakeTime) -> None:
    """The client gives up reading; the server would work on for many seconds."""
    settings = lab.settings_with(pipeline={"connections": {"replication": {"read_timeout": 0.3}}})
    engine = ConnectionFactory.get_replication_connection(settings)
    slow = "SELECT SLEEP(30)"
    with (
        ConnectionManager(engine, Pace(attempts=2, first_wait_seconds=0)) as manager,
        pytest.raises(DatabaseError, match="connection was lost"),
    ):
        manager.execute_with_retry(slow)
    with create_connection_manager(engine, attempts=1) as manager:
        rows = manager.execute_with_retry("SHOW PROCESSLIST").mappings().all()
    assert [row for row in rows if row["Info"] == slow] == []
    engine.dispose()


def test_a_statement_that_was_interrupted_is_ended(replication: Engine, fake: FakeTime) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), manage(replication, fake) as manager:  # noqa: PT012
        server_id = manager.execute_with_retry("SELECT CONNECTION_ID()").scalar_one()
        event.listen(replication, "do_execute_no_params", interrupt, once=True)
        manager.execute_with_retry("SELECT SLEEP(30)")
    pool: Any = replication.pool
    assert pool.checkedout() == 0
    assert server_id > 0


@pytest.mark.parametrize(
    ("command", "info", "expected"),
    [
        ("Query", "DELETE FROM t", True),
        ("Query", None, True),
        ("Prepare", "SELECT 1", True),
        ("Execute", "SELECT 1", True),
        ("Killed", "DELETE FROM t", True),  # it has not noticed yet
        ("Killed", None, False),
        ("Sleep", None, False),
    ],
)
def test_a_statement_is_at_work_until_it_has_ended(
    command: str, info: str | None, expected: bool
) -> None:
    assert is_at_work({"Id": 1, "Command": command, "Info": info}) is expected


@pytest.mark.parametrize("name", ["replication", "analytics"])
def test_an_orphan_is_ended(name: str, request: pytest.FixtureRequest) -> None:
    engine: Engine = request.getfixturevalue(name)
    slow = "SELECT SLEEP(30)" if name == "replication" else "SELECT pg_sleep(30)"
    orphan = engine.connect()
    server_id = read_server_id(orphan)
    assert server_id is not None

    def run() -> None:
        # MariaDB's SLEEP returns 1 when it is ended, PostgreSQL raises.
        try:
            orphan.exec_driver_sql(slow)
        except Exception:
            orphan.invalidate()

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    with engine.connect() as connection:
        end_orphan(connection, server_id, clock=time.monotonic, sleep=time.sleep)
        end_orphan(connection, server_id, clock=time.monotonic, sleep=time.sleep)  # is gone
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - started < 10
    orphan.close()


def test_postgres_is_managed_too(analytics: Engine, fake: FakeTime, lab: Lab) -> None:
    with manage(analytics, fake) as manager:
        first = manager.execute_with_retry("SELECT pg_backend_pid()").scalar_one()
        manager.commit()
        lab.analytics.execute("SELECT pg_terminate_backend(%s)", (first,))
        time.sleep(0.1)
        query = "SELECT pg_backend_pid(), '100%', :v"
        assert manager.execute_with_retry(query, {"v": "x"}).one()[0] != first
        with pytest.raises(DatabaseError, match="42P01"):
            manager.execute_with_retry("SELECT * FROM nowhere")


def test_a_pace_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="attempts"):
        Pace(attempts=0)
