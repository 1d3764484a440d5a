"""Select the tables of a run; the source may have others than at the last one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from etl_pipeline.config import Settings
from etl_pipeline.config.models import Drift, TableConfig
from etl_pipeline.core.databases import lend_postgres
from etl_pipeline.errors import (
    DriftError,
    SchemaError,
)
from etl_pipeline.load.drift_log import mark_done, write_events
from etl_pipeline.load.views import name_dependents
from etl_pipeline.pipeline.run_plan import RefusedTable, RunPlan, expand_names, plan_run
from etl_pipeline.pipeline.session import Session
from etl_pipeline.pipeline.source_catalog import Sight
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.ddl import add_raw_key, create_raw, create_replica
from etl_pipeline.schema.drift import ChangeKind, DriftPolicy
from etl_pipeline.schema.drift_decision import DriftEvent, Verdict
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.state.source_tables import KnownTables, read_known_tables, record_tables
from etl_pipeline.transfer.select import render_table


@dataclass(frozen=True, slots=True)
class Wishes:
    """What configuration and command line say.

    Attributes:
        configured: What ``tables.yml`` says, by name; empty selects every table of the source.
        drift: What ``pipeline.yml`` says of changes.
        includes_new: Whether a table that comes later is carried without being named.
        requested: Names from the command line; empty selects what is configured.
        full: Whether every table is rebuilt.
        allow_deletes: Tables of which as many rows may go as will.
        importance: Only tables of one of these; empty for all.
        by_servers: Whether the servers compute the digests.
        accepts: Whether changes are followed in any case.
        adopts: Whether tables of ``raw`` that are not ours are taken over.
        schema: The schema that is loaded.
    """

    configured: Mapping[str, TableConfig]
    drift: Drift = field(default_factory=Drift)
    includes_new: bool = False
    requested: Sequence[str] = ()
    full: bool = False
    allow_deletes: Sequence[str] = ()
    importance: Sequence[str] = ()
    by_servers: bool = False
    accepts: bool = False
    adopts: bool = False
    schema: str = "raw"

    def policy(self, table: str) -> DriftPolicy:
        """What is done with changes of *table*."""
        config = self.configured.get(table, TableConfig())
        word = config.drift.policy or self.drift.policy or "follow"
        dropped = config.drift.dropped or self.drift.dropped or "keep"
        return DriftPolicy(
            is_frozen=word == "freeze",
            drops=dropped == "drop",
            renamed={n: c.renamed_from for n, c in config.columns.items() if c.renamed_from},
            excluded=frozenset(n for n, c in config.columns.items() if c.exclude),
            accepts=self.accepts and table in self.requested,
            adopts=self.adopts and table in self.requested,
        )

    def asks_for(self, table: str) -> bool:
        """Whether the command line names *table*, or none, and such as are as important."""
        importance = self.configured.get(table, TableConfig()).table_importance
        is_meant = not self.requested or table in self.requested
        return is_meant and (not self.importance or importance in self.importance)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a run carries.

    Attributes:
        events: Tables that came and went.
        seen: Tables that are remembered as being at the source.
        gone: Tables that are remembered as gone from now on.
        absent: Tables that are asked for, and that the source has no more, with what to do.
    """

    plan: RunPlan
    events: tuple[DriftEvent, ...] = ()
    seen: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)


def carry_tables(
    catalog: Mapping[str, Table], sight: Sight, known: KnownTables, wishes: Wishes
) -> Carried:
    """The plan of a run, with what became of the source's tables since the last one.

    A table that was at the source once and is not seen now is refused until somebody accepts that
    it is gone, if ``tables.yml`` names it or the user may merely not read it any more; else its
    copies are kept, and nothing is asked. One that came later is carried where none are named, or
    ``new_tables`` says so.

    Raises:
        ConfigurationError: As ``plan_run``.
    """
    missing = [name for name in known.first_runs if name not in catalog]
    came = [name for name in catalog if known.first_runs and name not in known.first_runs]
    later = [name for name in dict.fromkeys([*known.later, *came]) if name in catalog]
    configured = _configure(catalog, known, wishes, later)
    plan = _plan(catalog, sight, configured, missing, wishes)
    carried = set(configured if wishes.configured else catalog)
    back = [name for name in catalog if name in known.gone]
    new = [name for name in later if name not in known.columns and name not in back]
    frozen = [n for n in (*new, *back) if n in carried and wishes.policy(n).refuses]
    went = [n for n in missing if n not in known.gone and _concerns(n, known, wishes)]
    held = [name for name in went if _is_held(name, sight, known, wishes)]
    plan = _refusing(plan, _refuse_new(n for n in frozen if wishes.asks_for(n)))
    plan = _refusing(plan, _refuse_absent(sight, (n for n in held if wishes.asks_for(n)), wishes))
    events = [
        _event_of_new(catalog[name], wishes, name in carried, name in frozen)
        for name in dict.fromkeys([*came, *(name for name in frozen if name in new)])
        if name not in frozen or wishes.asks_for(name)
    ]
    events += [
        _event_of_back(name, is_frozen=name in frozen)
        for name in back
        if name not in frozen or wishes.asks_for(name)
    ]
    events += [
        _event_of_gone(name, is_frozen=name in held)
        for name in went
        if name not in held or (wishes.asks_for(name) and sight.tells_gone(name))
    ]
    gone = tuple(name for name in missing if name not in known.gone and name not in held)
    absent = {
        name: _take_leave(name, known, wishes)
        for name in missing
        if name in wishes.requested or (name in gone and name in went and wishes.asks_for(name))
    }
    seen = tuple(name for name in catalog if name not in frozen)
    notes = (*plan.notes, *_note_absent(missing, held, known, wishes))
    return Carried(replace(plan, notes=notes), tuple(events), seen, gone, absent)


def _is_held(name: str, sight: Sight, known: KnownTables, wishes: Wishes) -> bool:
    """Whether nobody has accepted that a table is gone, and somebody has to."""
    policy = wishes.policy(name)
    if policy.accepts or policy.refuses:
        return policy.refuses
    is_doubtful = not sight.tells_gone(name)
    return name in wishes.configured or (is_doubtful and _carries(name, known, wishes))


def _carries(name: str, known: KnownTables, wishes: Wishes) -> bool:
    """Whether a run would carry the table if the source showed it."""
    is_included = wishes.includes_new and name in known.later
    return not wishes.configured or name in wishes.configured or is_included


def _note_absent(
    missing: Sequence[str], held: Sequence[str], known: KnownTables, wishes: Wishes
) -> Iterator[str]:
    """A table that ``tables.yml`` names, or the command line, is said not to be there each time."""
    for name in missing:
        if name in held or not wishes.asks_for(name):
            continue
        if name in wishes.requested:
            yield f"{name}: the source has it no more; its copies stay as they are"
        elif name in wishes.configured and name in known.gone:
            yield (
                f"{name}: not at the source, as was accepted; its copies stay as they are, and "
                "tables.yml still names it"
            )


def _take_leave(name: str, known: KnownTables, wishes: Wishes) -> str:
    """What is to be done so that nobody asks for a table that is gone."""
    if name not in known.gone:
        return f"etl run {name}    takes note of it"
    if name in wishes.configured:
        return f"take {name} out of tables.yml"
    return "etl status    names the tables that the source has"


def refuse_absent(carried: Carried) -> RunPlan:
    """The plan for a command that reads the source's rows: tables that it has no more fail."""
    words = "the source has it no more, so there is nothing to compare with; its copies stay"
    said = {refusal.table for refusal in carried.plan.refused}
    refusals = [
        RefusedTable(name, SchemaError(words, where=name, fix=fix))
        for name, fix in carried.absent.items()
        if name not in said
    ]
    return replace(carried.plan, refused=(*carried.plan.refused, *refusals))


def _configure(
    catalog: Mapping[str, Table], known: KnownTables, wishes: Wishes, later: Sequence[str]
) -> dict[str, TableConfig]:
    """What ``tables.yml`` says of tables that are there, and of those that it includes unnamed."""
    configured = {
        name: _without_lost_choices(config, catalog.get(name), known.columns.get(name))
        for name, config in wishes.configured.items()
        if name in catalog or name not in known.first_runs
    }
    if wishes.configured and wishes.includes_new:
        configured |= {name: TableConfig() for name in later if name not in configured}
    return configured


def _plan(
    catalog: Mapping[str, Table],
    sight: Sight,
    configured: Mapping[str, TableConfig],
    missing: Sequence[str],
    wishes: Wishes,
) -> RunPlan:
    """The plan of what is there."""
    requested = [name for name in wishes.requested if name not in missing]
    has_nothing_left = (wishes.requested and not requested) or (
        wishes.configured and not configured
    )
    if catalog and has_nothing_left:
        plan = RunPlan(())  # to none of them would mean to all
    else:
        plan = plan_run(
            catalog,
            configured,
            requested,
            sight=sight,
            full=wishes.full,
            allow_deletes=wishes.allow_deletes,
            importance=wishes.importance,
            by_servers=wishes.by_servers,
        )
    return replace(plan, drift={text.name: wishes.policy(text.name) for text in plan.tables})


def _without_lost_choices(
    config: TableConfig, table: Table | None, loaded: frozenset[str] | None
) -> TableConfig:
    """*config* without choices for columns that the source has no more, or not yet.

    A choice for a column that never was stays, and is refused: it may be a slip of the pen. So does
    the exclusion of one that the user may not see.
    """
    if table is None:
        return config
    here = {column.name for column in table.columns}
    columns = {
        name: choice
        for name, choice in config.columns.items()
        if name in here
        or not (name in (loaded or ()) or choice.renamed_from)
        or (choice.exclude and table.flaw)
    }
    return config.model_copy(update={"columns": columns})


def _concerns(name: str, known: KnownTables, wishes: Wishes) -> bool:
    return name in known.columns or _carries(name, known, wishes)


def _event_of_new(table: Table, wishes: Wishes, is_carried: bool, is_frozen: bool) -> DriftEvent:
    count = len(table.columns)
    detail = f"{count} column{'' if count == 1 else 's'}"
    if table.flaw:
        detail = f"{detail} seen; {table.flaw.what}"
        return DriftEvent(table.name, ChangeKind.TABLE_ADDED, "", detail, "report")
    if is_frozen:
        replica, raw = _make_both(table, wishes.schema)
        return DriftEvent(table.name, ChangeKind.TABLE_ADDED, "", detail, "refuse", replica, raw)
    if is_carried and wishes.asks_for(table.name):
        return DriftEvent(table.name, ChangeKind.TABLE_ADDED, "", detail, "follow")
    why = "this run does not ask for it" if is_carried else "tables.yml does not name it"
    return DriftEvent(table.name, ChangeKind.TABLE_ADDED, "", f"{detail}; {why}", "report")


def _make_both(table: Table, schema: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The statements that would make a replica and a table of ``raw``; none for what cannot be."""
    try:
        columns = render_table(table).columns
    except SchemaError:
        columns = ()
    if not columns:
        return (), ()
    collations = {column.collation for column in table.columns if column.collation}
    replica = create_replica(table, name=table.name, collations=collations)
    key = add_raw_key(schema, table)
    raw = [create_raw(schema, table, columns), *([key] if key else [])]
    return (replica.create, *replica.indexes), tuple(raw)


def _event_of_back(name: str, *, is_frozen: bool) -> DriftEvent:
    verdict: Verdict = "refuse" if is_frozen else "follow"
    return DriftEvent(name, ChangeKind.TABLE_ADDED, "", "it is back", verdict)


def _event_of_gone(name: str, *, is_frozen: bool) -> DriftEvent:
    if is_frozen:
        return DriftEvent(
            name, ChangeKind.TABLE_DROPPED, "", "it would be marked as gone", "refuse"
        )
    return DriftEvent(name, ChangeKind.TABLE_DROPPED, "", "its copies stay as they are", "follow")


def _refusing(plan: RunPlan, refused: Mapping[str, SchemaError]) -> RunPlan:
    """*plan* with the tables refused that come or go, and are not to."""
    others = [refusal for refusal in plan.refused if refusal.table not in refused]
    refusals = [RefusedTable(name, error) for name, error in refused.items()]
    tables = tuple(text for text in plan.tables if text.name not in refused)
    return replace(plan, tables=tables, refused=(*others, *refusals))


def _refuse_new(names: Iterable[str]) -> dict[str, SchemaError]:
    what = "the table is new at the source, and drift is frozen"
    return {
        name: DriftError(what, where=name, fix=f"etl run {name} --accept-drift") for name in names
    }


def _refuse_absent(sight: Sight, names: Iterable[str], wishes: Wishes) -> dict[str, SchemaError]:
    return {
        name: DriftError(
            sight.explain_absence(name)
            + (", and drift is frozen" if wishes.policy(name).refuses else ""),
            where=name,
            fix=sight.advise_absence(name),
        )
        for name in names
    }


def with_dependents(carried: Carried, analytics: psycopg.Connection, schema: str) -> Carried:
    """*carried* with the views on the tables of its events."""
    events = (
        replace(
            event,
            dependents=tuple(name_dependents(analytics, quote_postgres(schema, event.table))),
        )
        for event in carried.events
    )
    return replace(carried, events=tuple(events))


def record_carried(control: psycopg.Connection, run_id: int, carried: Carried) -> None:
    """Remember which tables came and went, and record it with the run."""
    done = [event.table for event in carried.events if event.verdict == "follow"]
    with control.transaction():
        record_tables(control, run_id, seen=carried.seen, gone=carried.gone)
        write_events(control, run_id, carried.events)
        mark_done(control, run_id, done)


def choose_tables(
    session: Session,
    requested: Sequence[str],
    *,
    allow_deletes: Sequence[str] = (),
    **wishes: Any,
) -> Carried:
    """What is carried, as far as configuration, source and what is remembered of it say.

    Raises:
        ConfigurationError: A name or a pattern fits no table.
    """
    settings, databases = session.settings, session.databases
    configured = configured_tables(settings)
    with lend_postgres(databases.analytics, session.stop) as analytics:
        known = read_known_tables(analytics)
        names = dict.fromkeys([*(configured or session.catalog), *known.first_runs])
        wanted = Wishes(
            configured,
            settings.pipeline.drift,
            settings.includes_new_tables,
            expand_names(requested, names),
            allow_deletes=expand_names(allow_deletes, names),
            schema=databases.schema,
            **wishes,
        )
        carried = carry_tables(session.catalog, session.sight, known, wanted)
        return with_dependents(carried, analytics, databases.schema)


def configured_tables(settings: Settings) -> dict[str, TableConfig]:
    """What tables.yml says of each table that it names."""
    return {name: settings.get_table_config(name) for name in settings.tables()}
