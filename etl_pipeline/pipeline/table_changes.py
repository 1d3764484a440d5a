"""Find the tables that the source has gained or lost, and decide what a run does about them.

No I/O. The result is in terms of what earlier runs saw (``etl.source_table``) and of the catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from etl_pipeline.config.pipeline_file import Drift
from etl_pipeline.config.tables_file import TableConfig
from etl_pipeline.errors import DriftError, SchemaError
from etl_pipeline.formatting import count_of
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.source_privileges import SourcePrivileges
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.ddl import create_raw, create_replica
from etl_pipeline.schema.drift import ChangeKind, DriftPolicy
from etl_pipeline.schema.drift_decision import DriftEvent, Verdict
from etl_pipeline.state.records import KnownTables
from etl_pipeline.transfer.select import render_table


@dataclass(frozen=True, slots=True)
class TableSettings:
    """Settings of tables, from both YAML files.

    Attributes:
        tables: What ``tables.yml`` says, by name; empty selects every table of the source.
        drift: What ``pipeline.yml`` says of schema changes.
        includes_new: True if a table that the source gains later is copied without being named.
        by_servers: True if the servers compute the digests of chunks.
        schema: The schema of the warehouse that is loaded.
    """

    tables: Mapping[str, TableConfig]
    drift: Drift = field(default_factory=Drift)
    includes_new: bool = False
    by_servers: bool = False
    schema: str = "raw"


@dataclass(frozen=True, slots=True)
class SelectionInput:
    """All that the selection of a run's tables depends on.

    Attributes:
        catalog: The source's tables by name.
        privileges: What the user may see of them.
        known: What is remembered of the source's tables.
        request: Its names without patterns.
    """

    catalog: Mapping[str, Table]
    privileges: SourcePrivileges
    known: KnownTables
    settings: TableSettings
    request: RunRequest = field(default_factory=RunRequest)

    def drift_policy(self, table: str) -> DriftPolicy:
        """Return what is done about schema changes of *table*."""
        config = self.settings.tables.get(table, TableConfig())
        word = config.drift.policy or self.settings.drift.policy or "follow"
        dropped = config.drift.dropped or self.settings.drift.dropped or "keep"
        is_named = table in self.request.tables
        return DriftPolicy(
            is_frozen=word == "freeze",
            drops=dropped == "drop",
            renamed={n: c.renamed_from for n, c in config.columns.items() if c.renamed_from},
            excluded=frozenset(n for n, c in config.columns.items() if c.exclude),
            accepts=self.request.accept_drift and is_named,
            adopts=self.request.adopt and is_named,
        )

    def is_requested(self, table: str) -> bool:
        """True if the request names *table*, or names none, and is for its importance."""
        importance = self.settings.tables.get(table, TableConfig()).table_importance
        is_named = not self.request.tables or table in self.request.tables
        return is_named and (not self.request.importance or importance in self.request.importance)

    def would_copy(self, table: str) -> bool:
        """True if a run of all tables would copy *table* where the source shows it."""
        is_included = self.settings.includes_new and table in self.known.later
        return not self.settings.tables or table in self.settings.tables or is_included

    def needs_acceptance(self, missing: str) -> bool:
        """True if somebody has to accept that *missing* is gone, and nobody has."""
        policy = self.drift_policy(missing)
        if policy.accepts or policy.refuses:
            return policy.refuses
        is_doubtful = not self.privileges.proves_absence(missing)
        return missing in self.settings.tables or (is_doubtful and self.would_copy(missing))


@dataclass(frozen=True, slots=True)
class TableChanges:
    """Tables that came and went, in the order of the catalog, or in which they were first seen.

    Attributes:
        configured: What tables.yml says of tables that are there, or were never there, and of
            those that it includes without naming them.
        selectable: Tables that a run copies where none is named.
        missing: Seen by an earlier run, and not shown now.
        added: Not seen by any earlier run; empty in the first run of all.
        never_loaded: Came after the first run of all, and were never loaded.
        returned: Shown again after a run missed them.
        dropped: Those of *missing* that this run is the first to miss, and that matter to it.
        refused_new: Those of *never_loaded* and *returned* that the drift policy refuses.
        refused_drops: Those of *dropped* that somebody has to accept first.
    """

    configured: Mapping[str, TableConfig]
    selectable: frozenset[str]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    never_loaded: tuple[str, ...]
    returned: tuple[str, ...]
    dropped: tuple[str, ...]
    refused_new: tuple[str, ...]
    refused_drops: tuple[str, ...]


def find_table_changes(given: SelectionInput) -> TableChanges:
    """Return the tables that the source has gained and lost since the last run."""
    catalog, known, settings = given.catalog, given.known, given.settings
    missing = [name for name in known.first_runs if name not in catalog]
    added = [name for name in catalog if known.first_runs and name not in known.first_runs]
    later = [name for name in dict.fromkeys([*known.later, *added]) if name in catalog]
    returned = [name for name in catalog if name in known.gone]
    never_loaded = [n for n in later if n not in known.columns and n not in returned]
    configured = {
        name: _without_lost_columns(config, catalog.get(name), known.columns.get(name))
        for name, config in settings.tables.items()
        if name in catalog or name not in known.first_runs
    }
    if settings.tables and settings.includes_new:
        configured |= {name: TableConfig() for name in later if name not in configured}
    selectable = frozenset(configured if settings.tables else catalog)
    dropped = [
        name
        for name in missing
        if name not in known.gone and (name in known.columns or given.would_copy(name))
    ]
    refused_new = [
        name
        for name in (*never_loaded, *returned)
        if name in selectable and given.drift_policy(name).refuses
    ]
    return TableChanges(
        configured,
        selectable,
        tuple(missing),
        tuple(added),
        tuple(never_loaded),
        tuple(returned),
        tuple(dropped),
        tuple(refused_new),
        tuple(name for name in dropped if given.needs_acceptance(name)),
    )


def _without_lost_columns(
    config: TableConfig, table: Table | None, loaded: frozenset[str] | None
) -> TableConfig:
    """Return *config* without choices for columns that the source has no more, or not yet.

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


def refuse_changes(given: SelectionInput, changes: TableChanges) -> Iterator[SchemaError]:
    """Yield an error for each requested table that came or went, and is refused."""
    for name in filter(given.is_requested, changes.refused_new):
        what = "the table is new at the source, and drift is frozen"
        yield DriftError(what, where=name, fix=f"etl run {name} --accept-drift")
    for name in filter(given.is_requested, changes.refused_drops):
        what = given.privileges.explain_absence(name)
        if given.drift_policy(name).refuses:
            what = f"{what}, and drift is frozen"
        yield DriftError(what, where=name, fix=given.privileges.advise_absence(name))


def describe_changes(given: SelectionInput, changes: TableChanges) -> Iterator[DriftEvent]:
    """Yield the events to record; of a refused table only where it is requested."""
    refused_new, refused_drops = changes.refused_new, changes.refused_drops
    refused_added = [name for name in refused_new if name in changes.never_loaded]
    for name in dict.fromkeys([*changes.added, *refused_added]):
        if name not in refused_new or given.is_requested(name):
            yield _added_event(given, changes, name)
    for name in changes.returned:
        if name not in refused_new or given.is_requested(name):
            verdict: Verdict = "refuse" if name in refused_new else "follow"
            yield DriftEvent(name, ChangeKind.TABLE_ADDED, "", "it is back", verdict)
    for name in changes.dropped:
        if name not in refused_drops:
            detail = "its copies stay as they are"
            yield DriftEvent(name, ChangeKind.TABLE_DROPPED, "", detail, "follow")
        elif given.is_requested(name) and given.privileges.proves_absence(name):
            detail = "it would be marked as gone"
            yield DriftEvent(name, ChangeKind.TABLE_DROPPED, "", detail, "refuse")


def _added_event(given: SelectionInput, changes: TableChanges, name: str) -> DriftEvent:
    table, kind = given.catalog[name], ChangeKind.TABLE_ADDED
    is_selectable = name in changes.selectable
    is_refused = name in changes.refused_new and not table.flaw
    statements = _create_both(table, given.settings.schema) if is_refused else ((), ())
    detail = count_of(len(table.columns), "column")
    if table.flaw:
        return DriftEvent(name, kind, "", f"{detail} seen; {table.flaw.what}", "report")
    if is_refused:
        return DriftEvent(name, kind, "", detail, "refuse", *statements)
    if is_selectable and given.is_requested(name):
        return DriftEvent(name, kind, "", detail, "follow")
    why = "this run does not ask for it" if is_selectable else "tables.yml does not name it"
    return DriftEvent(name, kind, "", f"{detail}; {why}", "report")


def _create_both(table: Table, schema: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the statements for a replica and a table of ``raw``; none if it cannot be copied."""
    try:
        columns = render_table(table).columns
    except SchemaError:
        columns = ()
    if not columns:
        return (), ()
    collations = {column.collation for column in table.columns if column.collation}
    replica = create_replica(table, name=table.name, collations=collations)
    raw = create_raw(schema, table, columns)
    return (replica.create, *replica.indexes), (raw.create, *([raw.key] if raw.key else []))


def note_missing(given: SelectionInput, changes: TableChanges) -> Iterator[str]:
    """Yield a note on each missing table that tables.yml or the request names."""
    for name in changes.missing:
        if name in changes.refused_drops or not given.is_requested(name):
            continue
        if name in given.request.tables:
            yield f"{name}: the source has it no more; its copies stay as they are"
        elif name in given.settings.tables and name in given.known.gone:
            yield (
                f"{name}: not at the source, as was accepted; its copies stay as they are, and "
                "tables.yml still names it"
            )


def find_absent(
    given: SelectionInput, changes: TableChanges, gone: Iterable[str]
) -> dict[str, str]:
    """Return the requested tables that the source has no more, each with a way to settle it.

    Args:
        given: What the selection depends on.
        changes: What came and went.
        gone: Tables that are recorded as gone from now on.
    """
    just_gone = set(gone).intersection(changes.dropped)
    return {
        name: _advise_absent(given, name)
        for name in changes.missing
        if name in given.request.tables or (name in just_gone and given.is_requested(name))
    }


def _advise_absent(given: SelectionInput, name: str) -> str:
    if name not in given.known.gone:
        return f"etl run {name}    takes note of it"
    if name in given.settings.tables:
        return f"take {name} out of tables.yml"
    return "etl status    names the tables that the source has"
