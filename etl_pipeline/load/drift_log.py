"""Decide the changes of a table's schema for both copies, and record them in ``etl.drift_event``.

An event is recorded before a copy follows it, and marked as done in the transaction that loads the
table: after a run that was killed it shows what was about to be done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg
from pymysql.connections import Connection

from etl_pipeline.load.drift import RawDrift
from etl_pipeline.load.raw_plan import RawPlan, plan_raw_table
from etl_pipeline.load.views import name_dependents
from etl_pipeline.replicate.evolve import ReplicaDrift, find_replica_drift
from etl_pipeline.schema.drift import FOLLOW, DriftPolicy
from etl_pipeline.schema.drift_decision import (
    DriftEvent,
    decide_drift,
    join_attempts,
    refuse_frozen,
)

if TYPE_CHECKING:
    from typing import Any

    from etl_pipeline.transfer.select import RenderedTable


@dataclass(slots=True)
class TableDrift:
    """The changes of a table's schema, and what is done about them.

    Attributes:
        policy: What is to be done.
        events: Changes found, at the latest attempt and at those before.
    """

    policy: DriftPolicy = FOLLOW
    events: list[DriftEvent] = field(default_factory=list)

    def find(
        self,
        text: RenderedTable,
        replication: Connection[Any],
        analytics: psycopg.Connection,
        *,
        schema: str,
        collations: Collection[str],
        run_id: int,
        marks_deletes: bool,
    ) -> RawPlan:
        """Find the changes that copies have not followed, and record them; commits.

        Returns:
            The plan by which ``raw`` is to be loaded.

        Raises:
            DriftError: Changes are refused.
            SchemaError: The table in ``raw`` is not one that we made, or *policy* cannot be meant.
        """
        replica = find_replica_drift(replication, text.table, self.policy, collations)
        replication.rollback()
        with analytics.transaction():
            raw = plan_raw_table(analytics, schema, text, self.policy, marks_deletes=marks_deletes)
            if not _pairs(replica) and not _raw_pairs(raw.drift):
                return raw
            dependents = name_dependents(analytics, raw.target)
            found = decide_table_drift(text.name, replica, raw.drift, self.policy, dependents)
            self.events = join_attempts(self.events, found)
            write_events(analytics, run_id, self.events)
        if self.policy.refuses:
            raise refuse_frozen(text.name, found)
        return raw

    def note_replicated(self) -> None:
        """Mark the events as followed in replication; the next write records it."""
        self.events = [
            replace(event, is_replicated=True) if event.replication else event
            for event in self.events
        ]

    def record(self, analytics: psycopg.Connection, run_id: int) -> None:
        """Record how far the copies have followed; commits."""
        with analytics.transaction():
            write_events(analytics, run_id, self.events)

    def record_done(
        self,
        analytics: psycopg.Connection,
        run_id: int,
        table: str,
        refilled: tuple[str, tuple[str, ...]] | None,
    ) -> None:
        """Mark the events as done, in the transaction that loads the table.

        Args:
            analytics: In that transaction.
            run_id: The run.
            table: The table.
            refilled: A statement that was planned, and those that ran instead; as ``Alteration``.
        """
        if not self.events:
            return
        if refilled:
            self.events = [_mark_reloaded(event, *refilled) for event in self.events]
        write_events(analytics, run_id, self.events)
        mark_done(analytics, run_id, [table])

    def refuse(self, analytics: psycopg.Connection, run_id: int) -> None:
        """Record that ``raw`` could not follow; commits."""
        self.events = [
            replace(event, verdict="refuse") if event.raw else event for event in self.events
        ]
        self.record(analytics, run_id)


def decide_table_drift(
    table: str,
    replica: ReplicaDrift | None,
    raw: RawDrift | None,
    policy: DriftPolicy,
    dependents: Sequence[str],
) -> tuple[DriftEvent, ...]:
    """Return the changes that the copies of *table* have not followed, as events."""
    return decide_drift(table, _pairs(replica), _raw_pairs(raw), policy, dependents)


def _pairs(drift: ReplicaDrift | None) -> list[Any]:
    return list(zip(drift.changes, drift.steps.of_change, strict=True)) if drift else []


def _raw_pairs(drift: RawDrift | None) -> list[Any]:
    if drift is None:
        return []
    if drift.adoption:
        rekey = [drift.adoption.rekey] if drift.adoption.rekey else []
        return [(change, (*drift.adoption.statements, *rekey)) for change in drift.changes]
    return list(zip(drift.changes, drift.steps.of_change, strict=True)) if drift.steps else []


def _mark_reloaded(event: DriftEvent, planned: str, instead: tuple[str, ...]) -> DriftEvent:
    """Replace the *planned* statement of *event* by those that ran *instead* of it."""
    if planned not in event.raw:
        return event
    done = tuple(
        statement for each in event.raw for statement in (instead if each == planned else (each,))
    )
    return replace(event, raw=done, verdict="reload")


def write_events(analytics: psycopg.Connection, run_id: int, events: Iterable[DriftEvent]) -> None:
    """Record *events* of a run, or update them."""
    with analytics.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO etl.drift_event (run_id, table_name, kind, subject, detail, verdict, "
            "replication_ddl, raw_ddl, dependents, replicated_at) VALUES (%s, %s, %s, %s, %s, %s, "
            "%s, %s, %s, CASE WHEN %s THEN clock_timestamp() END) "
            "ON CONFLICT (run_id, table_name, kind, subject) DO UPDATE SET "
            "detail = excluded.detail, verdict = excluded.verdict, "
            "replication_ddl = excluded.replication_ddl, raw_ddl = excluded.raw_ddl, "
            "dependents = excluded.dependents, replicated_at = "
            "coalesce(etl.drift_event.replicated_at, excluded.replicated_at)",
            [
                (
                    run_id,
                    event.table,
                    event.kind,
                    event.subject,
                    event.detail,
                    event.verdict,
                    list(event.replication),
                    list(event.raw),
                    list(event.dependents),
                    event.is_replicated,
                )
                for event in events
            ],
        )


def mark_done(analytics: psycopg.Connection, run_id: int, tables: Sequence[str]) -> None:
    """Mark the events of *tables* in a run as done."""
    analytics.execute(
        "UPDATE etl.drift_event SET done_at = clock_timestamp() "
        "WHERE run_id = %s AND table_name = ANY(%s)",
        (run_id, list(tables)),
    )
