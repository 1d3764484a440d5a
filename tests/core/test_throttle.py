"""What the source is spared, decided with a clock of our own; no server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.config import create_test_settings
from etl_pipeline.config.window import parse_window
from etl_pipeline.core import server_load
from etl_pipeline.core.page_size import GROWTH, TARGET_SHARE, next_page_rows, rows_after_timeout
from etl_pipeline.core.source_usage import SourceUsage
from etl_pipeline.core.throttle import (
    LOAD_VALID_SECONDS,
    PATIENCE_SECONDS,
    Throttle,
    ThrottleLimits,
    read_throttle_limits,
)
from etl_pipeline.errors import SourceClosedError

MARIADB, MYSQL = "5.5.5-10.11.6-MariaDB", "8.4.3"
NIGHT = parse_window("21:00-06:00 UTC")


class FakeTime:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def now(self) -> datetime:
        return datetime(2024, 6, 28, 5, 50, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)


class Server:
    """Answers what a look asks: *threads* one after the other, the last of them for ever."""

    def __init__(
        self, *threads: int, lag: float | None = None, delay: int = 0, error: int = 0
    ) -> None:
        self.threads, self.lag, self.delay, self.error = list(threads), lag, delay, error
        self.is_replica = False
        self.asked: list[str] = []

    def look(self, statement: str) -> list[dict[str, Any]]:
        self.asked.append(statement)
        if "Threads_running" in statement:
            number = self.threads.pop(0) if len(self.threads) > 1 else self.threads[0]
            return [{"Variable_name": "Threads_running", "Value": str(number)}]
        if "Slaves_running" in statement:
            return [{"Value": "1" if self.is_replica else "0"}]
        if "read_only" in statement:
            return [{"Value": "ON" if self.is_replica else "OFF"}]
        if self.error:
            raise pymysql.err.OperationalError(self.error, "Muster")
        if self.lag is None:
            return []
        other = {"Seconds_Behind_Master": None, "SQL_Delay": 0}  # a channel that stands still
        return [other, {"Seconds_Behind_Master": self.lag, "SQL_Delay": self.delay}]


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def make(time: FakeTime, **throttle_limits: Any) -> Throttle:
    return Throttle(
        ThrottleLimits(**throttle_limits), clock=time.clock, wait=time.wait, now=time.now
    )


def test_a_connection_rests_between_two_reads(time: FakeTime) -> None:
    throttle, server = make(time, pause_seconds=0.25), Server(1)
    throttle.admit(server.look, MARIADB, None)
    assert time.waits == []
    throttle.admit(server.look, MARIADB, time.clock() - 0.1)
    assert time.waits == [pytest.approx(0.15)]
    throttle.admit(server.look, MARIADB, time.clock() - 9)
    assert len(time.waits) == 1


def test_a_calm_server_is_asked_once_a_second_at_most(time: FakeTime) -> None:
    throttle, server = make(time), Server(25, lag=60)
    for _ in range(10):
        throttle.admit(server.look, MARIADB, None)
        time.seconds += LOAD_VALID_SECONDS / 4
    assert server.asked.count(server_load.THREADS_RUNNING) == 3
    assert time.waits == []


def test_a_busy_server_is_waited_for_longer_and_longer(
    time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    throttle, server = make(time), Server(*[26] * 7, 25)
    throttle.admit(server.look, MARIADB, None)
    assert time.waits == [1, 2, 4, 8, 16, 30, 30]
    assert throttle.usage_meter.read() == SourceUsage(waited_seconds=91)
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "source: busy (Threads_running is 26, the limit 25); reading waits"),
        ("INFO", "source: reading has waited for 91.0 s"),
    ]


def test_patience_has_an_end_for_the_whole_run(time: FakeTime) -> None:
    throttle, server = make(time), Server(99)
    with pytest.raises(SourceClosedError, match="too busy for 10 minutes"):
        throttle.admit(server.look, MARIADB, None)
    assert PATIENCE_SECONDS <= sum(time.waits) < PATIENCE_SECONDS + 30
    assert throttle.is_closed
    with pytest.raises(SourceClosedError) as caught:
        throttle.check_open("claim", "not begun")
    assert str(caught.value) == (
        "claim: the source was too busy for 10 minutes (Threads_running is 99, the limit 25); "
        "not begun\n  fix: etl run claim    later, or raise source.max_threads_running or "
        "source.max_replica_lag_seconds in pipeline.yml"
    )


@pytest.mark.parametrize("version", [MARIADB, MYSQL, "8.0.21", "5.7.44-log", "what?"])
def test_a_replica_that_is_behind_is_waited_for(time: FakeTime, version: str) -> None:
    server = Server(1, lag=61)

    def catch_up(seconds: float) -> None:
        time.wait(seconds)
        server.lag = 60

    throttle = Throttle(ThrottleLimits(), clock=time.clock, wait=catch_up, now=time.now)
    throttle.admit(server.look, version, None)
    assert time.waits == [1]
    statement = {MARIADB: "SHOW ALL SLAVES STATUS", MYSQL: "SHOW REPLICA STATUS"}
    assert server.asked[1] == statement.get(version, "SHOW SLAVE STATUS")


def test_a_delay_that_was_chosen_is_no_lag(time: FakeTime) -> None:
    server = Server(1, lag=3650, delay=3600)
    make(time).admit(server.look, MARIADB, None)
    assert time.waits == []


def test_what_is_no_replica_is_asked_once(time: FakeTime) -> None:
    throttle, server = make(time), Server(1)
    for _ in range(3):
        throttle.admit(server.look, MARIADB, None)
        time.seconds += LOAD_VALID_SECONDS
    assert server.asked.count("SHOW ALL SLAVES STATUS") == 1


@pytest.mark.parametrize("is_replica", [True, False])
@pytest.mark.parametrize(
    ("version", "privilege"), [(MARIADB, "REPLICA MONITOR"), (MYSQL, "REPLICATION CLIENT")]
)
def test_what_the_user_may_not_see_is_skipped_and_said_once(
    time: FakeTime,
    caplog: pytest.LogCaptureFixture,
    version: str,
    privilege: str,
    is_replica: bool,
) -> None:
    throttle, server = make(time), Server(1, error=1227)
    server.is_replica = is_replica
    for _ in range(3):
        throttle.admit(server.look, version, None)
        time.seconds += LOAD_VALID_SECONDS
    assert server.asked.count(server_load.replica_status(version)) == 1
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == is_replica
    assert all(f"GRANT {privilege} ON *.*" in w and "Muster" not in w for w in warnings)


def test_another_error_is_not_swallowed(time: FakeTime) -> None:
    with pytest.raises(pymysql.err.OperationalError):
        make(time).admit(Server(1, error=2013).look, MARIADB, None)


def test_the_window_ends_for_the_whole_run(time: FakeTime) -> None:
    throttle = make(time, window=NIGHT)
    throttle.check_begin()
    throttle.check_open("claim", "not begun")
    time.seconds += 600  # 06:00
    for end in (0, 15 * 3600):  # and the next evening it is not open again for this run
        time.seconds += end
        with pytest.raises(SourceClosedError) as caught:
            throttle.check_open("claim", "stopped before key 7")
        assert str(caught.value) == (
            "claim: the source's window (21:00-06:00 UTC) has ended; stopped before key 7\n"
            "  fix: etl run claim    within it, or with --outside-window"
        )
    assert throttle.is_closed


def test_outside_of_the_window_nothing_is_begun(time: FakeTime) -> None:
    time.seconds += 600
    with pytest.raises(SourceClosedError, match="outside of the source's window"):
        make(time, window=NIGHT).check_begin()
    make(time).check_begin()


def test_manners_are_those_of_the_files() -> None:
    settings = create_test_settings(
        pipeline_config={
            "source": {
                "max_seconds_per_statement": 1.5,
                "pause_ms": 250,
                "max_threads_running": 7,
                "max_replica_lag_seconds": 8.5,
                "window": "21:00-06:00 UTC",
            }
        },
        tables_config={"tables": {"a": {"max_seconds_per_statement": 30}, "b": {}}},
    )
    told = ThrottleLimits(1.5, {"a": 30.0}, 0.25, server_load.LoadLimits(7, 8.5), NIGHT)
    assert read_throttle_limits(settings, outside_window=False) == told
    assert read_throttle_limits(settings).window is None
    throttle = Throttle(told)
    assert (throttle.limit_of("a"), throttle.limit_of("b")) == (30.0, 1.5)


# --- how many rows a statement asks for -----------------------------------------------------------

seconds = st.floats(1e-6, 1e4)


@given(st.integers(1, 10**6), st.integers(0, 10**6), seconds, st.floats(0.01, 600))
def test_steps_up_are_small_and_steps_down_go_to_what_fits(
    asked: int, got: int, took: float, limit: float
) -> None:
    got = min(asked, got)
    after = next_page_rows(asked, got, took, limit)
    assert 1 <= after <= GROWTH * asked
    if took > limit * TARGET_SHARE:
        assert after <= asked
        assert after == 1 or after * took / max(got, 1) <= limit * TARGET_SHARE * 1.0001
    else:
        assert after >= asked
    if got < asked and took <= limit * TARGET_SHARE:
        assert after == asked
    assert 1 <= rows_after_timeout(asked, got) <= max(1, asked // GROWTH)


def simulate(rows_per_second: Callable[[int], float], statements: int) -> list[tuple[int, float]]:
    """What statements asked for, and how long they took, at a server of a limit of 2 s."""
    limit, asked, told = 2.0, 3000, []
    for number in range(statements):
        took = 0.01 + asked / rows_per_second(number)
        told.append((asked, min(took, limit)))
        if took > limit:
            asked = rows_after_timeout(asked, int(limit * rows_per_second(number)))
        else:
            asked = next_page_rows(asked, asked, took, limit)
    return told


def test_the_stride_finds_the_speed_of_the_source_and_follows_it() -> None:
    told = simulate(lambda number: 200_000 if number < 12 else 2_000, 24)
    assert max(took for _, took in told[:12]) < 0.55  # a quarter of the limit, and no more
    assert told[11][1] > 0.3
    assert [number for number, (_, took) in enumerate(told) if took >= 2] == [12]
    assert 0.3 < told[-1][1] < 0.55
