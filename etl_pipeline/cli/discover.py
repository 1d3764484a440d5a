"""``etl discover``: what tables.yml should say, from the source's catalog."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import DEBUG_OPTION, complete_table, exit_codes, stop_on_signals
from etl_pipeline.formatting import align, count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_pipeline.setup.choices import Choice
    from etl_pipeline.setup.discover import Discovery

TABLES = typer.Argument(None, metavar="TABLE", hidden=True, autocompletion=complete_table)
WRITE = typer.Option(False, "--write", help="Write tables.yml; without it, only show.")


def discover(
    tables: list[str] | None = TABLES, write: bool = WRITE, debug: bool = DEBUG_OPTION
) -> None:
    """Choose how each table is kept equal, from the source's catalog, and say why.

    TABLE names the tables to choose for. With none named, those of tables.yml are, and where
    it names none, all tables of the source. What tables.yml says already is never changed,
    and its comments stay; what is missing is added, with the reason of each choice.

    Example: etl discover --write
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.config import FileConfigProvider, Settings
        from etl_pipeline.setup import discover as finding

        stop_on_signals(only_reads=True)
        provider = FileConfigProvider()
        found = finding.discover(Settings(provider=provider), provider.directory, tables or [])
        show(screen(found))
        if write and found.new != found.old:
            finding.write(found)
        say(_last_line(found, written=write))


def screen(found: Discovery) -> str:
    """Return what would change (for a new file, a line a table), the sums and the notes."""
    from etl_pipeline.setup.tables_file import show_difference

    choices = list(found.choices.values())
    lines = (
        [show_difference(found.old, found.new, "tables.yml").rstrip("\n")]
        if found.old
        else _table_lines(choices)
    )
    lines += ["", *_sums(choices), *(f"note: {note}" for note in found.notes)]
    return "\n".join(lines).lstrip("\n")


def _table_lines(choices: Sequence[Choice]) -> list[str]:
    return align([(choice.table, choice.strategy, choice.because) for choice in choices])


def _sums(choices: Sequence[Choice]) -> list[str]:
    # Not at the top: --help needs none of what it imports.
    from etl_pipeline.replicate.strategy import APPEND_ONLY, FINGERPRINT, INCREMENTAL

    strategies = [strategy.name for strategy in (INCREMENTAL, APPEND_ONLY, FINGERPRINT)]
    counts = Counter(choice.strategy for choice in choices)
    parts = [f"{counts[strategy]} {strategy}" for strategy in strategies if counts[strategy]]
    stamped = [choice for choice in choices if choice.update_stamps]
    used = sum(choice.strategy == INCREMENTAL.name for choice in stamped)
    have = "has" if len(stamped) == 1 else "have"
    return [
        f"{count_of(len(choices), 'table')}: {', '.join(parts)}",
        f"{len(stamped)} {have} a column that the server stamps; {used} can be read by it",
    ]


def _last_line(found: Discovery, *, written: bool) -> str:
    if found.new == found.old:
        return f"nothing to add to {found.path}"
    if written:
        return f"written: {found.path}"
    return "nothing was written; to write it: etl discover --write"
