"""Decisions about changes of the source's schema, as shown and recorded (no I/O).

``schema/drift.py`` finds the changes of a table; ``load/drift_log.py`` has them decided here for
both copies, and records them. ``pipeline/table_changes.py`` decides about tables that come or go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from etl_pipeline.errors import DriftError
from etl_pipeline.schema.drift import FOLLOW, DriftPolicy, SchemaChange

Verdict = Literal["follow", "refuse", "reload", "report"]


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """A schema change and the decision about it.

    Attributes:
        kind: A ``ChangeKind`` of ``schema/drift.py``.
        subject: The column or index; empty for the table itself.
        detail: What was and what is, for people.
        verdict: ``follow``; ``refuse``, with the statements that would follow it; ``reload``,
            where a column was emptied and filled again; or ``report``, where nothing is done.
        replication: Statements in the replication database, in their order.
        raw: Statements in the analytics database, in their order.
        dependents: Views that show the table, directly or by way of others.
        is_replicated: Whether the statements in the replication database have run.
    """

    table: str
    kind: str
    subject: str
    detail: str
    verdict: Verdict
    replication: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    is_replicated: bool = False

    @property
    def where(self) -> str:
        """Table, and column or index: ``procedurelog.Dx``."""
        return f"{self.table}.{self.subject}" if self.subject else self.table

    @property
    def words(self) -> str:
        """Kind and detail: ``column added: int(11)``."""
        what = self.kind.replace("_", " ")
        return f"{what}: {self.detail}" if self.detail else what


Steps = Iterable[tuple[SchemaChange, tuple[str, ...]]]


def decide_drift(
    table: str,
    replica: Steps,
    raw: Steps,
    policy: DriftPolicy,
    dependents: Sequence[str] = (),
) -> tuple[DriftEvent, ...]:
    """Return an event for each change that at least one target has not followed.

    A change that both targets have to follow is one event. All have one verdict: ``refuse`` if the
    policy is ``freeze``, else ``follow``.

    Args:
        table: The table's name.
        replica: Changes since the replica was last altered, with the statements for it.
        raw: The same for ``raw``.
        policy: What is done with changes of this table.
        dependents: Views on the table.
    """
    verdict: Verdict = "refuse" if policy.refuses else "follow"
    events: dict[tuple[str, str], DriftEvent] = {}

    def event_of(change: SchemaChange) -> DriftEvent:
        subject = change.subject or ""
        found = DriftEvent(
            table, change.kind, subject, change.detail, verdict, dependents=tuple(dependents)
        )
        return events.setdefault((change.kind, subject), found)

    for change, statements in replica:
        event = event_of(change)
        events[event.kind, event.subject] = replace(event, replication=statements)
    for change, statements in raw:
        event = event_of(change)
        events[event.kind, event.subject] = replace(event, raw=statements)
    return tuple(events.values())


_CHANGES_NAMED = 5


def list_changes(table: str, changes: Sequence[SchemaChange]) -> str:
    """Return the first of *changes* on one line: ``colour column added: int(11); …``."""
    events = decide_drift(table, [(change, ()) for change in changes[:_CHANGES_NAMED]], [], FOLLOW)
    rest = len(changes) - _CHANGES_NAMED
    return _list_events(events) + (f"; and {rest} more" if rest > 0 else "")


def _list_events(events: Iterable[DriftEvent]) -> str:
    return "; ".join(f"{event.subject} {event.words}".strip() for event in events)


def refuse_frozen(table: str, events: Iterable[DriftEvent]) -> DriftError:
    """Return the error for changes of a table that is frozen."""
    return DriftError(
        f"the source's schema changed, and drift is frozen: {_list_events(events)}",
        where=table,
        fix=f"etl run {table} --accept-drift",
    )


def join_attempts(before: Iterable[DriftEvent], after: Iterable[DriftEvent]) -> list[DriftEvent]:
    """Return the events of a second attempt, with the statements that the first had executed."""
    merged = {(event.kind, event.subject): event for event in before}
    for event in after:
        known = merged.get((event.kind, event.subject))
        if known:
            event = replace(
                event,
                replication=event.replication or known.replication,
                raw=event.raw or known.raw,
                is_replicated=known.is_replicated and not event.replication,
            )
        merged[event.kind, event.subject] = event
    return list(merged.values())
