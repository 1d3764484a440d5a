"""Decide from where the source's log is followed, and what has to be compared before."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl_pipeline.binlog.position import Position
from etl_pipeline.core.databases import lend_mysql, lend_source
from etl_pipeline.errors import LogError
from etl_pipeline.pipeline.run_lock import LockedRun
from etl_pipeline.replicate.read_batch import read_shown_position
from etl_pipeline.state import follower
from etl_pipeline.state.follower import FollowedRecord, FollowerRecord, LogPlace
from etl_pipeline.state.replica_tables import open_replicas


@dataclass(frozen=True, slots=True)
class Start:
    """From where the log is followed.

    Attributes:
        because: Why all tables have to be compared first; None where what is recorded holds.
    """

    position: Position | None
    because: str | None = None


def find_start(
    server: str, warehouse: LogPlace | None, replication: LogPlace | None, lost: str | None
) -> Start:
    """Return from where to go on: from the older of the positions that the targets record.

    Args:
        server: The source's server and database of now.
        warehouse: What the warehouse records; None for nothing.
        replication: What the replication database records; None for nothing.
        lost: Why the log cannot be followed from there; None where that is not known.
    """
    if lost:
        return Start(None, lost)
    if warehouse is None:
        return Start(None, "nothing was followed yet")
    if replication is None:
        return Start(None, "replication does not record how far it has followed")
    if {warehouse.server, replication.server} != {server}:
        return Start(None, "the source is another server, or another database, than was followed")
    try:
        positions = [Position.parse(place.position) for place in (warehouse, replication)]
    except LogError as error:
        return Start(None, error.what)
    return Start(min(positions, key=lambda position: position.place))


def settle_start(opened: LockedRun, server: str, lost: str | None) -> tuple[Start, int]:
    """Return from where the log is followed, and the number of the last batch.

    A position of now is recorded in both targets.
    """
    session, analytics = opened.session, opened.records.connection
    recorded = follower.read_follower(analytics)
    number = recorded.batch if recorded else 0
    with lend_mysql(session.databases.replication, session.stop) as replication:
        place = follower.read_replication_place(replication)
        replication.rollback()
        start = find_start(server, recorded.place if recorded else None, place, lost)
        if start.position is not None:
            return start, number
        with lend_source(session.databases.source, session.stop) as source:
            position = read_shown_position(source, session.stop.wait)
        now = LogPlace(server, str(position))
        open_replicas(replication)
        follower.write_replication_place(replication, now)
        replication.commit()
    with analytics.transaction():
        follower.forget_followed(analytics)
        follower.write_follower(analytics, FollowerRecord(now, number))
    return replace(start, position=position), number


def explain_unfollowed(record: FollowedRecord | None, start: Start) -> str | None:
    """Return why a table of *record* has to be compared first; None where it has not."""
    if record is None:
        return start.because or "it is not followed yet"
    return record.waits_for
