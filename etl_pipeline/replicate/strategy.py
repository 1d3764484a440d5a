"""How a table is kept equal, and what this run has to do for it: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from etl_pipeline.state.records import Identity, KnownReplica, Lease


class Pass(StrEnum):
    """What a run does with a table's first hop."""

    BUILD = "build"
    """Everything is read, and a new replica takes the old one's place."""
    FULL = "full"
    """Everything is read, and what differs is written."""
    STAMPED = "stamped"
    """Rows past the watermark and all keys are read, and what differs is written."""
    TAIL = "tail"
    """The last chunk and what has grown behind it are read, and what differs is written."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How one table is kept equal.

    Attributes:
        strategy: ``fingerprint``, ``incremental``, ``append_only`` or ``full_table``.
        stamp: The ``incremental_column`` of ``incremental``; None for the others.
        overlap: How far behind the watermark an extract starts.
        verify_every: When the last full pass is older, the next run makes one.
        max_delete_fraction: The part of a table's rows that may go in a run.
        allows_deletes: Whether more may go in this run.
        marks_deletes: Whether rows that are gone stay in ``raw``, marked.
        batch_rows: Rows of a chunk at most; None for the default.
        by_servers: Whether the servers hash the rows of chunks that may be as they were.
    """

    strategy: str = "fingerprint"
    stamp: str | None = None
    overlap: timedelta = timedelta(hours=1)
    verify_every: timedelta = timedelta(days=7)
    max_delete_fraction: float = 0.2
    allows_deletes: bool = False
    marks_deletes: bool = False
    batch_rows: int | None = None
    by_servers: bool = False

    @property
    def rebuilds(self) -> bool:
        """Whether both targets are made anew in each run."""
        return self.strategy == "full_table"


@dataclass(frozen=True, slots=True)
class PassChoice:
    """The pass of a table, and why it is more than its strategy asks for; None where it is not."""

    what: Pass
    because: str | None = None


GRADES = {Pass.BUILD: "value", Pass.FULL: "value", Pass.STAMPED: "keys+stamp", Pass.TAIL: "append"}
"""The grade of the proof that each pass reaches."""


def choose_pass(
    rules: Rules,
    known: KnownReplica | None,
    wanted: Identity,
    lease: Lease,
    now: datetime,
    *,
    is_edited: bool = False,
) -> PassChoice:
    """What this run has to do with a table.

    Args:
        rules: How it is kept equal.
        known: Its replica; None where there is none, or nothing is remembered of it.
        wanted: What its replica has to be.
        lease: The run.
        now: UTC.
        is_edited: Whether the replica was found to hold other rows than it was given.
    """
    if known is None:
        return PassChoice(Pass.BUILD)
    remembered = known.remembered
    is_finished = len(remembered.finished_by(lease)) == len(remembered.chunks)
    if rules.rebuilds and not is_finished:
        return PassChoice(Pass.BUILD)
    if known.actual.definition != remembered.stands_as:
        return PassChoice(Pass.BUILD, "its copy was altered by somebody else")
    if wanted.definition != remembered.identity.definition:
        return PassChoice(Pass.BUILD)
    if rules.strategy in ("fingerprint", "full_table"):
        return PassChoice(Pass.FULL)
    if wanted != remembered.identity:
        return PassChoice(Pass.FULL, "another version of a server or of this program is at work")
    if is_edited:
        return PassChoice(Pass.FULL, "rows of its copy were changed by somebody else")
    if not known.is_complete:
        return PassChoice(Pass.FULL, "its copy has other rows in number than it was given")
    if remembered.proven_at is None or now - remembered.proven_at >= rules.verify_every:
        return PassChoice(Pass.FULL, "its full pass was due")
    if rules.strategy == "append_only":
        return PassChoice(Pass.TAIL)
    watermark = remembered.watermark
    if watermark is None or watermark.column != rules.stamp:
        return PassChoice(Pass.FULL, f"there is no watermark of {rules.stamp} yet")
    return PassChoice(Pass.STAMPED)
