"""Decide which tables a run copies, in which order and by which rules (no I/O)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase

from etl_pipeline.config.tables_file import TableConfig
from etl_pipeline.errors import ConfigurationError, EtlError, SchemaError
from etl_pipeline.formatting import count_of
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.source_privileges import SourcePrivileges
from etl_pipeline.replicate.strategy import Rules, choose_rules
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.drift import DriftPolicy
from etl_pipeline.transfer.select import RenderedTable, render_table

_UNSAID = TableConfig()
_PATTERN = re.compile(r"[*?]|\[.+\]")
_ORDER = {"critical": 0, "important": 1, "standard": 2}


@dataclass(frozen=True, slots=True)
class RefusedTable:
    """A table that the run cannot copy, and why; it counts as failed."""

    table: str
    error: EtlError


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The tables of a run and how each is copied.

    Attributes:
        tables: In the order in which they are begun: by importance, the largest first.
        refused: Tables that cannot be copied.
        rules: How each of *tables* is kept equal, by name.
        notes: Sentences about the whole run.
        drift: What is done where a table's schema changed, by name.
    """

    tables: tuple[RenderedTable, ...]
    refused: tuple[RefusedTable, ...] = ()
    rules: Mapping[str, Rules] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    drift: Mapping[str, DriftPolicy] = field(default_factory=dict)


def plan_run(
    catalog: Mapping[str, Table],
    configured: Mapping[str, TableConfig],
    request: RunRequest,
    *,
    privileges: SourcePrivileges | None = None,
    by_servers: bool = False,
) -> RunPlan:
    """Return the plan of a run.

    Args:
        catalog: The source's tables by name.
        configured: What ``tables.yml`` says, by name; empty selects every table of the source.
        request: Its names without patterns; no names select what is configured.
        privileges: What the user may see; None for everything.
        by_servers: True if the servers compute the digests of chunks.

    Raises:
        ConfigurationError: A requested table is not known, with the nearest name; or the source
            shows no table at all, so that a success would mean nothing.
    """
    if not catalog:
        raise ConfigurationError(
            "the source database shows no tables to this user",
            where="source",
            fix="check the database's name, and that the user has SELECT on its tables",
        )
    selectable = list(configured) or list(catalog)
    _refuse_unknown(request.tables, selectable, catalog)
    _refuse_unknown(request.allow_deletes, selectable, catalog)
    texts: list[RenderedTable] = []
    refused: list[RefusedTable] = []
    rules: dict[str, Rules] = {}
    names = request.tables or selectable
    for name in _filter_by_importance(names, configured, request.importance):
        config = configured.get(name, TableConfig())
        try:
            table = _find_table(name, catalog, config, privileges)
            text = render_table(table, config.columns)
            rules[name] = choose_rules(
                text.table,
                config,
                full=request.full,
                allows_deletes=name in request.allow_deletes,
                by_servers=by_servers,
            )
            if request.compares_all:
                rules[name] = replace(rules[name], verify_every=timedelta(0))
            texts.append(text)
        except SchemaError as error:
            refused.append(RefusedTable(name, _name_column(error, name)))
    order = {name: _ORDER[config.table_importance] for name, config in configured.items()}
    texts.sort(key=lambda t: (order.get(t.name, 2), -t.table.data_bytes, t.name))
    notes = [note for text in texts for note in text.shortened]
    notes += [note for text in texts for note in rules[text.name].warnings]
    notes += [_PARTLY.format(text.name) for text in texts if text.table.flaw]
    return RunPlan(tuple(texts), tuple(refused), rules, tuple(notes))


def expand_names(requested: Iterable[str], known: Collection[str]) -> list[str]:
    """Return *requested* with each pattern (``provider*``) replaced by the names that match it.

    ``*``, ``?`` and ``[…]`` mean what they mean to a shell; letter case counts. A name that is
    known is no pattern, whatever it is made of.

    Args:
        requested: Names and patterns from the command line.
        known: Names that a pattern may match, in the order in which they are returned.

    Raises:
        ConfigurationError: A pattern matches nothing.
    """
    names: dict[str, None] = {}
    for asked in requested:
        is_pattern = asked not in known and _PATTERN.search(asked) is not None
        matching = [name for name in known if fnmatchcase(name, asked)] if is_pattern else [asked]
        if not matching:
            raise ConfigurationError(
                "the pattern matches no table",
                where=asked,
                fix=f"choose from the {count_of(len(known), 'table')} of the source; "
                "etl status names them",
            )
        names |= dict.fromkeys(matching)
    return list(names)


def _filter_by_importance(
    names: Iterable[str], configured: Mapping[str, TableConfig], importance: Collection[str]
) -> list[str]:
    """Return those of *names* whose importance is one of *importance*, each once."""
    wanted = [
        name
        for name in dict.fromkeys(names)
        if not importance or configured.get(name, _UNSAID).table_importance in importance
    ]
    if importance and not wanted:
        raise ConfigurationError(
            "no table that was asked for is of this importance",
            where=f"--importance {' '.join(importance)}",
            fix="say table_importance in tables.yml; etl discover --write does, for those it knows",
        )
    return wanted


def _name_column(error: SchemaError, table: str) -> SchemaError:
    """Return *error* with its column in the first part: the table is shown anyway."""
    column = (error.where or "").removeprefix(f"{table}.")
    if column in ("", table, error.where):
        return error
    return SchemaError(f"column {column}: {error.what}", where=table, fix=error.fix)


_PARTLY = (
    "{}: the user may not read all columns of the table; copied are those that it may read, and "
    "nothing tells when the source gets another"
)


def _find_table(
    name: str,
    catalog: Mapping[str, Table],
    config: TableConfig,
    privileges: SourcePrivileges | None,
) -> Table:
    """Return the table called *name*; raise SchemaError where too little is known to copy it."""
    if name not in catalog:
        if privileges and not privileges.proves_absence(name):
            what = (
                "tables.yml names a table that the source does not show: it is not there, or "
                "the user may not read it"
            )
            advice = privileges.grant(name)
        else:
            what = "tables.yml names a table that the source does not have"
            advice = f"take {name} out of tables.yml"
        raise SchemaError(what, where=name, fix=_suggest(name, catalog) or advice)
    table = catalog[name]
    if table.flaw and not (table.flaw.hides and _names_hidden(table, config)):
        raise SchemaError(table.flaw.what, where=name, fix=table.flaw.fix)
    return table


def _names_hidden(table: Table, config: TableConfig) -> bool:
    """True if *config* excludes a column that the user may not see, so the gap is known."""
    seen = {column.name for column in table.columns}
    return any(choice.exclude and name not in seen for name, choice in config.columns.items())


def _refuse_unknown(
    requested: Iterable[str], selectable: Collection[str], catalog: Collection[str]
) -> None:
    for name in requested:
        if name in selectable:
            continue
        if name in catalog:
            raise ConfigurationError(
                "the table is at the source, but tables.yml does not name it",
                where=name,
                fix=f"add '{name}: {{}}' under 'tables:' in tables.yml",
            )
        raise ConfigurationError(
            "no such table",
            where=name,
            fix=_suggest(name, selectable)
            or f"choose from the {count_of(len(selectable), 'table')} of the source",
        )


def _suggest(name: str, known: Collection[str]) -> str | None:
    folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"did you mean {folded[near[0]]}?" if near else None
