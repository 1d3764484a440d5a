"""Decides what a run does with which table, and in which order; touches nothing."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl_pipeline.config.models import TableConfig
from etl_pipeline.errors import ConfigurationError, EtlError, SchemaError
from etl_pipeline.schema.catalog import Table
from etl_pipeline.transfer.select import TableText, render_table

_ORDER = {"critical": 0, "important": 1, "standard": 2}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A table that the run cannot carry, and why; it counts as failed."""

    table: str
    error: EtlError


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run does.

    Attributes:
        tables: In the order in which they are begun: by importance, the largest first.
        refused: Tables that cannot be carried.
        rebuilt: Names of the tables whose targets are built anew.
        notes: Sentences about the whole run.
    """

    tables: tuple[TableText, ...]
    refused: tuple[Refusal, ...] = ()
    rebuilt: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def strategy(self, table: str) -> str:
        """How *table* is kept equal."""
        return "full_table" if table in self.rebuilt else "fingerprint"


def plan_run(
    catalog: Mapping[str, Table],
    configured: Mapping[str, TableConfig],
    requested: Sequence[str] = (),
    *,
    full: bool = False,
) -> RunPlan:
    """The plan of a run.

    Args:
        catalog: The source's tables by name.
        configured: What ``tables.yml`` says, by name; empty selects every table of the source.
        requested: Names from the command line; empty selects what is configured.
        full: Whether every table is rebuilt, whatever its strategy.

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
    texts: list[TableText] = []
    refused: list[Refusal] = []
    for name in dict.fromkeys(requested or selectable):
        try:
            choices = configured[name].columns if name in configured else {}
            texts.append(render_table(_find(name, catalog), choices))
        except SchemaError as error:
            refused.append(Refusal(name, _about_column(error, name)))
    importance = {name: _ORDER[config.table_importance] for name, config in configured.items()}
    texts.sort(key=lambda t: (importance.get(t.name, 2), -t.table.data_bytes, t.name))
    chosen = (configured.get(text.name) for text in texts)
    notes = _notes(c for c in chosen if c)
    notes += [note for text in texts for note in text.shortened]
    rebuilt = frozenset(
        name
        for name in requested or selectable
        if full or (name in configured and configured[name].extraction_strategy == "full_table")
    )
    return RunPlan(tuple(texts), tuple(refused), rebuilt, tuple(notes))


def _about_column(error: SchemaError, table: str) -> SchemaError:
    """*error* with the column that it is about in its first part: the table is shown anyway."""
    column = (error.where or "").removeprefix(f"{table}.")
    if column in ("", table, error.where):
        return error
    return SchemaError(f"column {column}: {error.what}", where=table, fix=error.fix)


def _find(name: str, catalog: Mapping[str, Table]) -> Table:
    if name not in catalog:
        raise SchemaError(
            "tables.yml names a table that the source does not have",
            where=name,
            fix=_suggest(name, catalog) or f"take {name} out of tables.yml",
        )
    return catalog[name]


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


def _notes(configs: Iterable[TableConfig]) -> list[str]:
    others = [c for c in configs if c.extraction_strategy in ("incremental", "append_only")]
    if not others:
        return []
    return [
        f"{len(others)} tables ask for extraction_strategy incremental or append_only; this "
        "version compares every row of theirs (fingerprint), which proves more and takes longer"
    ]
