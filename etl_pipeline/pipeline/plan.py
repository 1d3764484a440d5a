"""``etl plan``: show what a run would do with each table, and do none of it.

The databases are only read. The functions that decide are those of a run.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from etl_pipeline.config import Settings
from etl_pipeline.core.databases import lend_mysql, lend_postgres
from etl_pipeline.errors import DriftError, SchemaError
from etl_pipeline.load.drift import RawDrift
from etl_pipeline.load.drift_log import decide_table_drift
from etl_pipeline.load.raw_plan import plan_raw_table
from etl_pipeline.load.sql import add_marks
from etl_pipeline.pipeline.dependents import Warehouse, read_models, read_warehouse
from etl_pipeline.pipeline.origin_check import refuse_other_source
from etl_pipeline.pipeline.replication_server import read_replication
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan
from etl_pipeline.pipeline.selection import select_tables
from etl_pipeline.pipeline.session import Session, open_session
from etl_pipeline.replicate.alteration import after_alteration
from etl_pipeline.replicate.evolve import ReplicaDrift, find_left_out, find_replica_drift
from etl_pipeline.replicate.identity import design_replica
from etl_pipeline.replicate.ownership import check_ownership
from etl_pipeline.replicate.strategy import Pass, Rules, choose_pass
from etl_pipeline.replicate.table import Replication
from etl_pipeline.replicate.unsupported import describe_left_out
from etl_pipeline.schema.alter_replica import ReplicaSteps
from etl_pipeline.schema.catalog import Index
from etl_pipeline.schema.ddl import (
    ReplicaDdl,
    add_indexes,
    create_raw,
    swap_replica,
)
from etl_pipeline.schema.drift import FOLLOW, DriftPolicy
from etl_pipeline.schema.drift_decision import DriftEvent, refuse_frozen
from etl_pipeline.schema.names import incoming_name, quote_postgres
from etl_pipeline.state import replicas
from etl_pipeline.state.records import KnownReplica, Lease
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable, select_chunk

_NO_LEASE = Lease(0, b"")
_ALL_ROWS = Chunk(0, None, None)


@dataclass(frozen=True, slots=True)
class TablePreview:
    """The steps that a run would take with a table.

    Attributes:
        what: The pass of the first hop; None for a table that cannot be copied.
        because: Why it is more than the strategy asks for; None where it is not.
        rows: The server's own estimate of the table's rows.
        data_bytes: Size of the table on the source's disk.
        seconds: What the last run took that kept it equal in the same way; None for none yet.
        reads: The statement that reads the table, without its range of keys.
        ddl: Statements that would be executed, with the database concerned.
        dependents: Views and models of dbt that need the table in the warehouse.
        drift: How its schema differs from the one that was loaded, and what would be done.
        error: Why the table would fail; None where it would not, as far as can be seen.
    """

    table: str
    strategy: str
    what: Pass | None
    because: str | None = None
    rows: int = 0
    data_bytes: int = 0
    seconds: float | None = None
    reads: str = ""
    ddl: tuple[tuple[str, str], ...] = ()
    dependents: tuple[str, ...] = ()
    drift: tuple[DriftEvent, ...] = ()
    error: str | None = None
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """The preview of each table, in the order in which a run would begin them.

    Attributes:
        came_and_went: Tables that the source has gained and lost since the last run.
    """

    environment: str
    tables: tuple[TablePreview, ...]
    notes: tuple[str, ...] = ()
    came_and_went: tuple[DriftEvent, ...] = ()

    @property
    def failing(self) -> list[TablePreview]:
        """Tables that would fail."""
        return [table for table in self.tables if table.error]

    @property
    def drift(self) -> list[DriftEvent]:
        """Changes of the source's schema, by table, as a run would record them."""
        of_tables = (event for table in self.tables for event in table.drift)
        return sorted([*self.came_and_went, *of_tables], key=lambda event: event.table)


@dataclass(frozen=True, slots=True)
class _Targets:
    """The recorded state of the two targets, by table."""

    replication: Replication
    replicas: frozenset[str]
    known: Mapping[str, KnownReplica]
    raw: Mapping[str, RawDrift | SchemaError]
    drift: Mapping[str, ReplicaDrift | SchemaError]
    left_out: Mapping[str, Sequence[Index]]
    policies: Mapping[str, DriftPolicy]
    warehouse: Warehouse
    models: Mapping[str, Sequence[str]]
    schema: str

    def replica_steps(self, table: str) -> ReplicaSteps | None:
        """Return how the replica follows the source; None where there is nothing to follow."""
        drift = self.drift.get(table)
        return drift.steps if isinstance(drift, ReplicaDrift) else None


def preview_run(settings: Settings, request: RunRequest, *, folder: Path) -> Preview:
    """Return what a run of *request* would do, by what the three databases hold now.

    Args:
        settings: Of the environment.
        request: What the run would be asked to do.
        folder: Where dbt's ``manifest.json`` is looked for, if it was ever made.

    Raises: as ``run_once``.
    """
    with open_session(settings) as session:
        refuse_other_source(session)
        selected = select_tables(session, request)
        plan = selected.plan
        targets = _read_targets(session, plan, folder)
    now = datetime.now(UTC)
    listed = [preview_table(text, plan.rules[text.name], targets, now) for text in plan.tables]
    left_out = [(name, index) for name, found in targets.left_out.items() for index in found]
    notes = (*plan.notes, *(describe_left_out(name, index.name) for name, index in left_out))
    listed += [_preview_refused(refusal, selected.events) for refusal in plan.refused]
    return Preview(settings.environment, tuple(listed), notes, selected.events)


def _preview_refused(refusal: RefusedTable, events: Sequence[DriftEvent]) -> TablePreview:
    """Return the preview of a table that is not copied, with the statements that would make it."""
    meant = [event for event in events if event.table == refusal.table]
    ddl = [
        (place, statement)
        for event in meant
        for place, statements in (("replication", event.replication), ("analytics", event.raw))
        for statement in statements
    ]
    return TablePreview(
        refusal.table,
        "",
        None,
        ddl=tuple(ddl),
        dependents=tuple(dict.fromkeys(name for event in meant for name in event.dependents)),
        error=refusal.error.what,
        fix=refusal.error.fix,
    )


def preview_table(
    text: RenderedTable, rules: Rules, targets: _Targets, now: datetime
) -> TablePreview:
    """Return what a run would do with a table (no I/O)."""
    replication = targets.replication
    design = design_replica(text, replication.versions, replication.collations)
    known, steps = targets.known.get(text.name), targets.replica_steps(text.name)
    altered = after_alteration(rules, known, design.identity, steps) if known else None
    choice = choose_pass(rules, altered or known, design.identity, _NO_LEASE, now)
    events = _find_events(text, targets)
    refusal = _find_refusal(text, targets, events)
    # What is refused by a choice is shown; what is refused since it is in doubt is no plan.
    ddl = design.ddl if choice.what is Pass.BUILD else None
    is_plan = refusal is None or isinstance(refusal, DriftError)
    return TablePreview(
        text.name,
        rules.strategy.name,
        choice.what,
        choice.because,
        text.table.rows_estimate,
        text.table.data_bytes,
        targets.warehouse.seconds.get((text.name, rules.strategy.name)),
        select_chunk(text, _ALL_ROWS),
        tuple(_list_ddl(text, ddl, steps if altered else None, rules, targets)) if is_plan else (),
        (*targets.warehouse.views_of(text.name), *targets.models.get(text.name, ())),
        events,
        refusal.what if refusal else None,
        refusal.fix if refusal else None,
    )


def _find_events(text: RenderedTable, targets: _Targets) -> tuple[DriftEvent, ...]:
    """Return how the table's schema differs from the one that was loaded."""
    raw, drift = targets.raw.get(text.name), targets.drift.get(text.name)
    if isinstance(raw, SchemaError) or isinstance(drift, SchemaError):
        return ()
    policy = targets.policies.get(text.name, FOLLOW)
    return decide_table_drift(text.name, drift, raw, policy, targets.warehouse.views_of(text.name))


def _find_refusal(
    text: RenderedTable, targets: _Targets, events: Sequence[DriftEvent]
) -> SchemaError | None:
    """Return why the table would not be copied; None where it would."""
    for found in (targets.raw.get(text.name), targets.drift.get(text.name)):
        if isinstance(found, SchemaError):
            return found
    is_refused = targets.policies.get(text.name, FOLLOW).refuses
    return refuse_frozen(text.name, events) if is_refused and events else None


def _list_ddl(
    text: RenderedTable,
    ddl: ReplicaDdl | None,
    steps: ReplicaSteps | None,
    rules: Rules,
    targets: _Targets,
) -> list[tuple[str, str]]:
    statements: list[tuple[str, str]] = []
    if ddl:
        swap = swap_replica(text.name, exists=text.name in targets.replicas)
        indexes = add_indexes(_find_fitting(text, targets), incoming_name(text.name))
        statements += [("replication", statement) for statement in (ddl.create, *indexes, swap)]
    elif steps:
        statements += [("replication", statement) for statement in steps.statements]
    raw = targets.raw.get(text.name)
    if isinstance(raw, RawDrift) and rules.marks_deletes and not raw.has_marks:
        statements.append(("analytics", add_marks(quote_postgres(targets.schema, text.name))))
    if raw is None:
        made = create_raw(targets.schema, text.table, text.columns)
        statements += [("analytics", statement) for statement in made.statements]
    elif isinstance(raw, RawDrift) and raw.steps:
        evolving = dict.fromkeys(itertools.chain.from_iterable(raw.steps.of_change))
        statements += [("analytics", statement) for statement in evolving]
    return statements


def _find_fitting(text: RenderedTable, targets: _Targets) -> list[Index]:
    """Return the table's indexes without those that the replica is known to lack."""
    left_out = targets.left_out.get(text.name, ())
    return [index for index in text.table.indexes if index not in left_out]


def _read_targets(session: Session, plan: RunPlan, folder: Path) -> _Targets:
    """Read the state of both targets, in read-only transactions."""
    databases = session.databases
    replication = read_replication(session)
    with lend_mysql(databases.replication, session.stop) as connection:
        with connection.cursor() as cursor:
            cursor.execute("START TRANSACTION READ ONLY")
            cursor.execute("SHOW TABLES")
            replicas = frozenset(str(name) for (name,) in cursor.fetchall())
        known = _read_known(connection, plan)
        drift = _find_replicas(connection, plan, replicas, replication.collations)
        drift |= _find_other_owners(connection, plan, replicas, known)
        left_out = {
            name: find_left_out(connection, name)
            for name, replica in known.items()
            if replica.remembered.show_create_digest == replica.actual.show_create_digest
        }
        connection.rollback()
    with lend_postgres(databases.analytics, session.stop) as connection:
        connection.read_only = True
        try:
            warehouse = read_warehouse(connection, databases.schema)
            raw = {
                text.name: _read_raw(connection, databases.schema, text, plan)
                for text in plan.tables
            }
        finally:
            connection.rollback()
            connection.read_only = None
    return _Targets(
        replication,
        replicas,
        known,
        {name: found for name, found in raw.items() if found},
        drift,
        left_out,
        plan.drift,
        warehouse,
        read_models(folder, databases.schema),
        databases.schema,
    )


def _find_replicas(
    connection: Connection[Any],
    plan: RunPlan,
    replicas: frozenset[str],
    collations: Collection[str],
) -> dict[str, ReplicaDrift | SchemaError]:
    """Return the changes of the source that each replica has still to follow."""
    found: dict[str, ReplicaDrift | SchemaError] = {}
    if not {"_etl_table", "_etl_schema", "_etl_alter"} <= replicas:
        return found
    for text in plan.tables:
        policy = plan.drift.get(text.name, FOLLOW)
        try:
            drift = find_replica_drift(connection, text.table, policy, collations)
        except SchemaError as error:
            found[text.name] = error
            continue
        if drift:
            found[text.name] = drift
    return found


def _find_other_owners(
    connection: Connection[Any],
    plan: RunPlan,
    replicas: frozenset[str],
    known: Mapping[str, KnownReplica],
) -> dict[str, SchemaError]:
    """Return an error for each replica whose name a table of somebody else has."""
    found = {}
    for name in replicas.intersection(text.name for text in plan.tables):
        try:
            check_ownership(connection, name, known.get(name))
        except SchemaError as error:
            found[name] = error
    return found


def _read_raw(
    connection: psycopg.Connection, schema: str, text: RenderedTable, plan: RunPlan
) -> RawDrift | SchemaError | None:
    policy, rules = plan.drift.get(text.name, FOLLOW), plan.rules[text.name]
    try:
        marks = rules.marks_deletes
        return plan_raw_table(connection, schema, text, policy, marks_deletes=marks).drift
    except SchemaError as error:
        return error


def _read_known(connection: Connection[Any], plan: RunPlan) -> dict[str, KnownReplica]:
    """Read the replicas of which something is remembered."""
    known: dict[str, KnownReplica] = {}
    for text in plan.tables:
        try:
            found = replicas.read_known(connection, text.name)
        except pymysql.err.MySQLError as error:
            # No run was there yet, or one of an older program: a run makes these tables.
            if error.args[0] in (ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR):
                return {}
            raise
        if found:
            known[text.name] = found
    return known
