"""Decide which tables a run copies, in which order and by which rules (no I/O)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from etl_pipeline.config.models import TableConfig
from etl_pipeline.errors import ConfigurationError, EtlError, SchemaError
from etl_pipeline.pipeline.source_catalog import Sight
from etl_pipeline.pipeline.strategies import choose_rules, find_warnings
from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.drift import DriftPolicy
from etl_pipeline.transfer.select import RenderedTable, render_table

_UNSAID = TableConfig()
_PATTERN = re.compile(r"[*?]|\[.+\]")
_ORDER = {"critical": 0, "important": 1, "standard": 2}


@dataclass(frozen=True, slots=True)
class RefusedTable:
    """A table that the run cannot carry, and why; it counts as failed."""

    table: str
    error: EtlError


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run does.

    Attributes:
        tables: In the order in which they are begun: by importance, the largest first.
        refused: Tables that cannot be carried.
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
    requested: Sequence[str] = (),
    *,
    sight: Sight | None = None,
    full: bool = False,
    allow_deletes: Sequence[str] = (),
    by_servers: bool = False,
    importance: Collection[str] = (),
) -> RunPlan:
    """The plan of a run.

    Args:
        catalog: The source's tables by name.
        configured: What ``tables.yml`` says, by name; empty selects every table of the source.
        requested: Names from the command line; empty selects what is configured.
        sight: What the user may see; None for everything.
        full: Whether every table is rebuilt, whatever its strategy.
        allow_deletes: Tables of which as many rows may go as will.
        by_servers: Whether the servers hash the rows of chunks that may be as they were.
        importance: Only tables of one of these are selected; empty for all.

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
    _refuse_unknown(requested, selectable, catalog)
    _refuse_unknown(allow_deletes, selectable, catalog)
    texts: list[RenderedTable] = []
    refused: list[RefusedTable] = []
    rules: dict[str, Rules] = {}
    for name in _of_importance(requested or selectable, configured, importance):
        config = configured.get(name, TableConfig())
        try:
            table = _find(name, catalog, config, sight)
            text = render_table(table, config.columns)
            may_go = name in allow_deletes
            rules[name] = choose_rules(
                text.table, config, full=full, allows_deletes=may_go, by_servers=by_servers
            )
            texts.append(text)
        except SchemaError as error:
            refused.append(RefusedTable(name, _about_column(error, name)))
    importance = {name: _ORDER[config.table_importance] for name, config in configured.items()}
    texts.sort(key=lambda t: (importance.get(t.name, 2), -t.table.data_bytes, t.name))
    notes = [note for text in texts for note in text.shortened]
    notes += [note for text in texts for note in find_warnings(text.table, rules[text.name])]
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
                fix=f"choose from the {len(known)} tables of the source; etl status names them",
            )
        names |= dict.fromkeys(matching)
    return list(names)


def _of_importance(
    names: Iterable[str], configured: Mapping[str, TableConfig], importance: Collection[str]
) -> list[str]:
    """Those of *names* that are as important as was asked for, each once."""
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


def _about_column(error: SchemaError, table: str) -> SchemaError:
    """*error* with the column that it is about in its first part: the table is shown anyway."""
    column = (error.where or "").removeprefix(f"{table}.")
    if column in ("", table, error.where):
        return error
    return SchemaError(f"column {column}: {error.what}", where=table, fix=error.fix)


_PARTLY = (
    "{}: the user may not read all columns of the table; copied are those that it may read, and "
    "nothing tells when the source gets another"
)


def _find(
    name: str, catalog: Mapping[str, Table], config: TableConfig, sight: Sight | None
) -> Table:
    """The table called *name*, of which enough is known to copy it."""
    if name not in catalog:
        is_there = sight is None or sight.tells_gone(name)
        raise SchemaError(
            "tables.yml names a table that the source does not have"
            if is_there or sight is None
            else "tables.yml names a table that the source does not show: it is not there, or "
            "the user may not read it",
            where=name,
            fix=_suggest(name, catalog)
            or (
                f"take {name} out of tables.yml" if is_there or sight is None else sight.grant(name)
            ),
        )
    table = catalog[name]
    if table.flaw and not (table.flaw.hides and _names_hidden(table, config)):
        raise SchemaError(table.flaw.what, where=name, fix=table.flaw.fix)
    return table


def _names_hidden(table: Table, config: TableConfig) -> bool:
    """Whether somebody who knows that the user may not read all columns excluded some of them."""
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
            or f"choose from the {len(selectable)} tables of the source",
        )


def _suggest(name: str, known: Collection[str]) -> str | None:
    folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"did you mean {folded[near[0]]}?" if near else None
