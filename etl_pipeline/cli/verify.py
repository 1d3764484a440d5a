"""``etl verify``: compare tables in the three databases."""

from __future__ import annotations

from enum import StrEnum

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import (
    DEBUG_OPTION,
    JSON_OPTION,
    PROGRESS_OPTION,
    QUIET_OPTION,
    ProgressStyle,
    complete_table,
    exit_codes,
    progress_style,
    stop_on_signals,
)


class OnlyPlace(StrEnum):
    """The value of ``--only``."""

    REPLICATION = "replication"
    RAW = "raw"


def _read_part(value: str | None) -> str | None:
    """Return *value* if it is a percentage, as in ``5%``."""
    if value is not None:
        _part(value)
    return value


def _part(value: str) -> float:
    number = value.strip().removesuffix("%")
    try:
        part = float(number) / 100
    except ValueError:
        part = 0.0
    if not (value.strip().endswith("%") and 0 < part <= 1):
        raise typer.BadParameter("expected a part of the chunks, as in 5%")
    return part


TABLES = typer.Argument(None, metavar="TABLE", hidden=True, autocompletion=complete_table)
DEEP = typer.Option(False, "--deep", help="Send every row again, and compare raw by value.")
ONLY = typer.Option(None, "--only", help="Compare this place alone.")
SAMPLE = typer.Option(
    None,
    "--sample",
    metavar="PERCENT",
    callback=_read_part,
    help="Compare a part of each table's chunks, chosen at random: 5%.",
)
SHOW_VALUES = typer.Option(
    False, "--show-values", help="Show the rows that differ, side by side: values of patients."
)
REPAIR = typer.Option(False, "--repair", help="Copy the rows that are wrong again, and no other.")


def verify(
    tables: list[str] | None = TABLES,
    deep: bool = DEEP,
    only: OnlyPlace | None = ONLY,
    sample: str | None = SAMPLE,
    show_values: bool = SHOW_VALUES,
    repair: bool = REPAIR,
    quiet: bool = QUIET_OPTION,
    progress: ProgressStyle | None = PROGRESS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Compare source, replication and raw, and name the rows that differ.

    Nothing is changed without --repair. Rows that changed at the source since the last run are
    told from rows that are wrong. TABLE names the tables to compare. With none named, those of
    tables.yml are compared, and where it names none, all tables of the source.

    Example: etl verify patient --deep
    """
    stopped = "what is repaired stays so" if repair else "nothing was changed"
    with exit_codes(debug=debug, quiet=quiet, stopped=stopped):
        from etl_pipeline.cli.screens.run_progress import show_progress
        from etl_pipeline.cli.screens.verify import verify_json, verify_screen
        from etl_pipeline.cli.shell import show_trace
        from etl_pipeline.config import get_settings
        from etl_pipeline.pipeline.verify import verify_once
        from etl_pipeline.verify.job import VerifyScope

        stop_on_signals(only_reads=not repair)
        scope = VerifyScope(
            deep=deep,
            only=only.value if only else None,
            sample=_part(sample) if sample else None,
            show_values=show_values,
            repair=repair,
        )
        with show_progress(progress_style(progress, quiet=quiet), hops=1) as listen:
            summary = verify_once(
                get_settings(),
                tables or [],
                scope,
                listen=listen,
                keep_trace=show_trace if debug else None,
            )
        if not (quiet and summary.is_success):
            (say if as_json else show)(verify_screen(summary))
        if as_json:
            show(verify_json(summary))
        if not summary.is_success:
            raise typer.Exit(1)
