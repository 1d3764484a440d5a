"""Decisions about changes of the source's schema, as shown and recorded: pure."""

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
        """The table, with the column or index concerned."""
        return f"{self.table}.{self.subject}" if self.subject else self.table

    @property
    def words(self) -> str:
        """Kind and detail: ``column added: int(11)``."""
        what = self.kind.replace("_", " ")
        return f"{what}: {self.detail}" if self.detail else what


Steps = Iterable[tuple[SchemaChange, tuple[str, ...]]]


def decide(
    table: str,
    replica: Steps,
    raw: Steps,
    policy: DriftPolicy,
    dependents: Sequence[str] = (),
) -> tuple[DriftEvent, ...]:
    """An event for each change, whichever target it is still to come to.

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
    """*changes* in one line, the first of many: ``colour column added: int(11); …``."""
    events = decide(table, [(change, ()) for change in changes[:_CHANGES_NAMED]], [], FOLLOW)
    rest = len(changes) - _CHANGES_NAMED
    return _list_events(events) + (f"; and {rest} more" if rest > 0 else "")


def _list_events(events: Iterable[DriftEvent]) -> str:
    return "; ".join(f"{event.subject} {event.words}".strip() for event in events)


def refuse_frozen(table: str, events: Iterable[DriftEvent]) -> DriftError:
    """The error for changes of a table that is frozen."""
    return DriftError(
        f"the source's schema changed, and drift is frozen: {_list_events(events)}",
        where=table,
        fix=f"etl run {table} --accept-drift",
    )


def merge(before: Iterable[DriftEvent], after: Iterable[DriftEvent]) -> list[DriftEvent]:
    """The events of a second attempt, with what the first had done already."""
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
