"""Select the tables of a run; the source may have others than at the last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import psycopg

from etl_pipeline.config import DatabaseType, Settings
from etl_pipeline.core.databases import lend_postgres
from etl_pipeline.errors import SchemaError
from etl_pipeline.load.drift_log import mark_done, write_events
from etl_pipeline.load.views import name_dependents
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan, expand_names, plan_run
from etl_pipeline.pipeline.session import Session
from etl_pipeline.pipeline.table_changes import (
    SelectionInput,
    TableChanges,
    TableSettings,
    describe_changes,
    find_absent,
    find_table_changes,
    note_missing,
    refuse_changes,
)
from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.state.source_tables import read_known_tables, record_tables


@dataclass(frozen=True, slots=True)
class SelectedTables:
    """The tables of a run, and what is to be recorded of those that came and went.

    Attributes:
        events: Tables that came and went.
        seen: Tables to remember as being at the source.
        gone: Tables to remember as gone from now on.
        absent: Requested tables that the source has no more, each with a way to settle it.
    """

    plan: RunPlan
    events: tuple[DriftEvent, ...] = ()
    seen: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def plan_without_absent(self) -> RunPlan:
        """The plan of a command that reads rows of the source, where absent tables fail."""
        words = "the source has it no more, so there is nothing to compare with; its copies stay"
        refused = {refusal.table for refusal in self.plan.refused}
        refusals = [
            RefusedTable(name, SchemaError(words, where=name, fix=fix))
            for name, fix in self.absent.items()
            if name not in refused
        ]
        return replace(self.plan, refused=(*self.plan.refused, *refusals))


def select_tables(session: Session, request: RunRequest) -> SelectedTables:
    """Select the tables of *request* by configuration, source, and what is remembered of it.

    Raises:
        ConfigurationError: A name or a pattern fits no table; or as ``plan_run``.
    """
    databases, settings = session.databases, read_table_settings(session.settings)
    with lend_postgres(databases.analytics, session.stop) as analytics:
        known = read_known_tables(analytics)
        names = dict.fromkeys([*(settings.tables or session.catalog), *known.first_runs])
        request = replace(
            request,
            tables=expand_names(request.tables, names),
            allow_deletes=expand_names(request.allow_deletes, names),
        )
        selected = decide_selection(
            SelectionInput(session.catalog, session.privileges, known, settings, request)
        )
        return _with_dependents(selected, analytics, settings.schema)


def read_table_settings(settings: Settings) -> TableSettings:
    """Return what the configuration says of tables."""
    return TableSettings(
        {name: settings.get_table_config(name) for name in settings.tables()},
        settings.pipeline.drift,
        settings.includes_new_tables,
        settings.pipeline.source.digests_by == "servers",
        settings.get_database_config(DatabaseType.ANALYTICS)["schema"],
    )


def decide_selection(given: SelectionInput) -> SelectedTables:
    """Decide which tables a run copies, and what became of the others (no I/O).

    A table that was at the source once and is not seen now is refused until somebody accepts that
    it is gone, if ``tables.yml`` names it or the user may merely not read it any more; else its
    copies are kept, and nothing is asked. One that came later is copied where none are named, or
    ``new_tables`` says so.

    Raises:
        ConfigurationError: As ``plan_run``.
    """
    changes = find_table_changes(given)
    plan = _plan_present(given, changes)
    refusals = {str(error.where): error for error in refuse_changes(given, changes)}
    plan = replace(
        plan,
        tables=tuple(text for text in plan.tables if text.name not in refusals),
        refused=(
            *(refusal for refusal in plan.refused if refusal.table not in refusals),
            *(RefusedTable(name, error) for name, error in refusals.items()),
        ),
        notes=(*plan.notes, *note_missing(given, changes)),
    )
    gone = tuple(
        name
        for name in changes.missing
        if name not in given.known.gone and name not in changes.refused_drops
    )
    return SelectedTables(
        plan,
        tuple(describe_changes(given, changes)),
        tuple(name for name in given.catalog if name not in changes.refused_new),
        gone,
        find_absent(given, changes, gone),
    )


def _plan_present(given: SelectionInput, changes: TableChanges) -> RunPlan:
    """Plan the run of the tables that the source shows."""
    request = given.request
    present = [name for name in request.tables if name not in changes.missing]
    has_nothing_left = (request.tables and not present) or (
        given.settings.tables and not changes.configured
    )
    if given.catalog and has_nothing_left:
        plan = RunPlan(())  # planning no names would plan all tables
    else:
        plan = plan_run(
            given.catalog,
            changes.configured,
            replace(request, tables=present),
            privileges=given.privileges,
            by_servers=given.settings.by_servers,
        )
    return replace(plan, drift={text.name: given.drift_policy(text.name) for text in plan.tables})


def _with_dependents(
    selected: SelectedTables, analytics: psycopg.Connection, schema: str
) -> SelectedTables:
    """Return *selected* with the views on the tables of its events."""
    events = (
        replace(
            event,
            dependents=tuple(name_dependents(analytics, quote_postgres(schema, event.table))),
        )
        for event in selected.events
    )
    return replace(selected, events=tuple(events))


def record_selection(connection: psycopg.Connection, run_id: int, selected: SelectedTables) -> None:
    """Remember which tables came and went, and record it with the run; commits."""
    done = [event.table for event in selected.events if event.verdict == "follow"]
    with connection.transaction():
        record_tables(connection, run_id, seen=selected.seen, gone=selected.gone)
        write_events(connection, run_id, selected.events)
        mark_done(connection, run_id, done)
