"""``etl transform``: build and test the models, from raw to the marts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import (
    DEBUG_OPTION,
    JSON_OPTION,
    PROGRESS_OPTION,
    QUIET_OPTION,
    ProgressStyle,
    exit_codes,
    progress_style,
    stop_on_signals,
)

if TYPE_CHECKING:
    from datetime import date

    from etl_pipeline.config import Settings
    from etl_pipeline.transform.summary import TransformSummary

SELECT = typer.Option(
    None,
    "--select",
    metavar="MODEL",
    help="Build only this model; +MODEL with what it is built from, MODEL+ with what is built "
    "from it.",
)
EXCLUDE = typer.Option(
    None,
    "--exclude",
    metavar="MODEL",
    help="Do not build this one; both may be given several times.",
)
EVERYTHING = typer.Option(False, "--all", help="Build all models, whether they changed or not.")
FULL_REFRESH = typer.Option(False, "--full-refresh", help="Make every row of them anew, too.")
SHOW_ROWS = typer.Option(
    False, "--show-rows", help="Show ten rows that fail a test: values of patients."
)
AS_OF = typer.Option(
    None,
    "--as-of",
    metavar="DATE",
    formats=["%Y-%m-%d"],
    help="Count ages from this day (2024-06-30), not from today.",
)
DROP_REMOVED = typer.Option(
    False, "--drop-removed", help="Drop what models that are gone have left."
)
DOCS = typer.Option(False, "--docs", help="Write the models' documentation as HTML; build nothing.")


def transform(
    select: list[str] | None = SELECT,
    exclude: list[str] | None = EXCLUDE,
    everything: bool = EVERYTHING,
    full_refresh: bool = FULL_REFRESH,
    show_rows: bool = SHOW_ROWS,
    as_of: datetime | None = AS_OF,
    drop_removed: bool = DROP_REMOVED,
    docs: bool = DOCS,
    quiet: bool = QUIET_OPTION,
    progress: ProgressStyle | None = PROGRESS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Build the models in staging, intermediate and marts from raw, and test them.

    Models stay as they are if nothing that they are made from has changed. All of a build becomes
    visible at once. Views and grants of yours stay.

    Example: etl transform --select +accounts_receivable
    """
    with exit_codes(debug=debug, quiet=quiet, stopped="every model is as it was"):
        from etl_pipeline.config import get_settings

        stop_on_signals()
        if docs:
            others = [select, exclude, everything, full_refresh, show_rows, as_of]
            others += [drop_removed, as_json]
            if any(others):
                raise typer.BadParameter("--docs builds nothing; choose it alone")
            _write_docs(get_settings())
            return
        summary = build_models(
            get_settings(),
            progress_style(progress, quiet=quiet),
            select=select or [],
            exclude=exclude or [],
            everything=everything,
            full_refresh=full_refresh,
            show_rows=show_rows,
            as_of=as_of.date() if as_of else None,
            drop_removed=drop_removed,
        )
        show_summary(summary, quiet=quiet, as_json=as_json)
        if not summary.is_success:
            raise typer.Exit(1)


def build_models(
    settings: Settings,
    style: ProgressStyle,
    *,
    select: list[str] | None = None,
    exclude: list[str] | None = None,
    everything: bool = False,
    full_refresh: bool = False,
    show_rows: bool = False,
    as_of: date | None = None,
    drop_removed: bool = False,
) -> TransformSummary:
    """Build models, with progress of *style* on stderr."""
    from etl_pipeline.cli.screens.transform_progress import show_progress
    from etl_pipeline.transform.build import transform_once

    with show_progress(style) as listen:
        return transform_once(
            settings,
            select=select or [],
            exclude=exclude or [],
            everything=everything,
            full_refresh=full_refresh,
            show_rows=show_rows,
            as_of=as_of,
            drop_removed=drop_removed,
            listen=listen,
        )


def show_summary(summary: TransformSummary, *, quiet: bool, as_json: bool) -> None:
    """Print what became of the models on stdout, as text or as JSON; with *quiet*, no success."""
    from etl_pipeline.cli.screens.transform import transform_json, transform_screen

    if not (quiet and summary.is_success):
        (say if as_json else show)(transform_screen(summary))
    if as_json:
        show(transform_json(summary))


def _write_docs(settings: Settings) -> None:
    from etl_pipeline.transform.build import write_docs

    say("Writing the documentation of the models ...")
    site = write_docs(settings)
    show(f"{site}\n  open it in a browser; lineage: the button at the lower right")
