"""The feed of the log: in order, each transaction in a batch, none beyond what a snapshot shows."""

from __future__ import annotations

import pytest

from etl_pipeline.binlog.changes import LoggedTransaction
from etl_pipeline.binlog.position import Position
from etl_pipeline.errors import DatabaseError
from etl_pipeline.replicate.log_feed import DRAIN_SECONDS, LogFeed
from tests.replicate.test_batch import FOLLOWED, PATIENT, changed, lines, logged


def place(offset: int) -> Position:
    return Position("log.000001", offset)


class FakeLog:
    """A log whose transactions are given; a read of nothing takes all the time it may."""

    def __init__(self, *offsets: int) -> None:
        self.transactions = [
            logged(offset, patient=changed(PATIENT, b"%d" % offset)) for offset in offsets
        ]
        self.now = 0.0
        self.position = place(4)

    def clock(self) -> float:
        return self.now

    def read(self, until: float, upto: Position | None = None) -> LoggedTransaction | None:
        if not self.transactions:
            self.now = max(self.now, until)
            return None
        transaction = self.transactions.pop(0)
        self.position = transaction.position
        return transaction


def feed_of(log: FakeLog) -> LogFeed:
    return LogFeed(log, place(4), FOLLOWED, clock=log.clock)


def nothing() -> None:
    pass


def test_what_is_logged_is_collected_until_nothing_more_is_there() -> None:
    feed = feed_of(FakeLog(10, 20))
    assert feed.collect(until=1.0)
    assert lines(feed.pending, "patient") == [b"10", b"20"]
    assert feed.position == place(20)


def test_what_a_snapshot_does_not_show_is_left_to_the_next_batch() -> None:
    feed = feed_of(FakeLog(10, 20, 30, 40))
    feed.drain(place(20), nothing)
    assert lines(feed.pending, "patient") == [b"10", b"20"]
    assert feed.position == place(20)
    feed.begin_batch()
    assert feed.collect(until=1.0)
    assert lines(feed.pending, "patient") == [b"30", b"40"]


def test_a_snapshot_between_two_transactions_keeps_the_one_beyond() -> None:
    feed = feed_of(FakeLog(10, 30))
    feed.drain(place(20), nothing)
    assert feed.position == place(10)
    feed.begin_batch()
    feed.drain(place(30), nothing)
    assert lines(feed.pending, "patient") == [b"30"]


def test_what_a_snapshot_may_not_show_is_read_now_and_again() -> None:
    feed = feed_of(FakeLog(10, 20, 30))
    feed.drain(place(10), nothing)
    again = feed.read_ahead(place(30), nothing)
    assert lines(feed.pending, "patient") == [b"10", b"20", b"30"]
    assert feed.position == place(10), "what may not be shown is not behind the position"
    feed.begin_batch(again)
    assert feed.collect(until=1.0)
    assert lines(feed.pending, "patient") == [b"20", b"30"]
    assert feed.position == place(30)


def test_a_log_that_does_not_come_ends_in_an_error() -> None:
    log = FakeLog(10)
    with pytest.raises(DatabaseError, match="did not come"):
        feed_of(log).drain(place(20), nothing)
    assert log.now >= DRAIN_SECONDS


def test_progress_of_other_databases_ends_a_drain() -> None:
    log = FakeLog()
    log.position = place(50)
    feed_of(log).drain(place(50), nothing)
    assert log.now == 0.0
