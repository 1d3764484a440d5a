"""``etl run``: copy tables source → replication → raw."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from etl_pipeline.config import Settings
    from etl_pipeline.errors import EtlError
    from etl_pipeline.pipeline.events import KeepTrace
    from etl_pipeline.pipeline.request import RunRequest
    from etl_pipeline.pipeline.summary import RunSummary
    from etl_pipeline.transform.summary import TransformSummary

FULL_OPTION = typer.Option(False, "--full", help="Rebuild each replica, compare every row of raw.")
ALLOW_DELETES_OPTION = typer.Option(
    [], "--allow-deletes", metavar="TABLE", help="Let as many of its rows go as will; repeatable."
)
OUTSIDE_WINDOW_OPTION = typer.Option(
    False, "--outside-window", help="Read the source outside of source.window, too."
)
ACCEPT_OPTION = typer.Option(
    False, "--accept-drift", help="Follow the changed schema of TABLE in any case."
)
ACCEPT_SOURCE_OPTION = typer.Option(
    False, "--accept-source", help="Copy this source, whatever was copied before."
)
ADOPT_OPTION = typer.Option(
    False, "--adopt", help="Take over a TABLE of raw that another tool made."
)
TABLES = typer.Argument(None, metavar="TABLE", hidden=True, autocompletion=complete_table)


class Importance(StrEnum):
    """``table_importance`` of tables.yml."""

    CRITICAL = "critical"
    IMPORTANT = "important"
    STANDARD = "standard"


class HopChoice(StrEnum):
    """Half of the way from the source to raw."""

    REPLICATE = "replicate"
    LOAD = "load"


IMPORTANCE_OPTION = typer.Option(
    [], "--importance", metavar="LEVEL", help="Only critical, important or standard ones."
)
BACKFILL_OPTION = typer.Option(False, "--backfill", help="Read a range of rows again, no other.")
FROM_OPTION = typer.Option(None, "--from", metavar="START", help="A date or a key.")
TO_OPTION = typer.Option(None, "--to", metavar="END", help="Likewise; it is in the range.")
BY_OPTION = typer.Option(None, "--by", metavar="COLUMN", help="The dates' column.")
ONLY_OPTION = typer.Option(None, "--only", metavar="HOP", help="One hop alone: replicate or load.")


def run(
    tables: list[str] | None = TABLES,
    full: bool = FULL_OPTION,
    allow_deletes: list[str] = ALLOW_DELETES_OPTION,
    importance: list[Importance] = IMPORTANCE_OPTION,
    only: HopChoice | None = ONLY_OPTION,
    backfill: bool = BACKFILL_OPTION,
    start: str | None = FROM_OPTION,
    end: str | None = TO_OPTION,
    by: str | None = BY_OPTION,
    outside_window: bool = OUTSIDE_WINDOW_OPTION,
    accept_drift: bool = ACCEPT_OPTION,
    accept_source: bool = ACCEPT_SOURCE_OPTION,
    adopt: bool = ADOPT_OPTION,
    quiet: bool = QUIET_OPTION,
    progress: ProgressStyle | None = PROGRESS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Copy TABLE (else those of tables.yml, or all) to raw, with proof.

    Example: etl run patient procedurelog
    """
    with exit_codes(debug=debug, quiet=quiet):
        if not backfill and (start or end or by):
            raise typer.BadParameter("--from, --to and --by go with --backfill")
        # What talks to servers is imported here, so that --help needs none of it.
        from etl_pipeline.pipeline.request import BackfillRange, RunRequest

        request = RunRequest(
            tables=tables or [],
            importance=[level.value for level in importance],
            only=only.value if only else None,
            full=full,
            backfill=BackfillRange(start, end, by) if backfill else None,
            allow_deletes=allow_deletes,
            outside_window=outside_window,
            accept_drift=accept_drift,
            accept_source=accept_source,
            adopt=adopt,
        )
        _refuse_contradictions(request)
        stop_on_signals()
        style = progress_style(progress, quiet=quiet)
        _run_and_transform(request, style, quiet=quiet, as_json=as_json, debug=debug)


def _run_and_transform(
    request: RunRequest, style: ProgressStyle, *, quiet: bool, as_json: bool, debug: bool
) -> None:
    """Make the run of *request*, build the models where they are due, and show and tell both.

    Raises:
        typer.Exit: One of them failed.
        EtlError: The models could not be built.
    """
    from etl_pipeline.cli.notification import notifying_of_end
    from etl_pipeline.cli.screens.run import is_success, run_json, run_screen
    from etl_pipeline.cli.shell import show_trace
    from etl_pipeline.config import get_settings
    from etl_pipeline.errors import EtlError

    settings = get_settings()
    with notifying_of_end(settings) as notify:
        summary = _execute(settings, request, style, keep_trace=show_trace if debug else None)
        if not (quiet and summary.is_success):
            (say if as_json else show)(run_screen(summary))
        is_due = settings.pipeline.transform.after_run and request.only != "replicate"
        models = None
        if is_due and summary.is_success:
            models = transform_after(settings, style, quiet=quiet, as_json=as_json)
        notify(summary, models)
    if as_json:
        show(run_json(summary, models))
    if isinstance(models, EtlError):
        raise models
    if not is_success(summary, models):
        raise typer.Exit(1)


def _refuse_contradictions(request: RunRequest) -> None:
    """Raise an error where options of *request* contradict each other."""
    from etl_pipeline.errors import ConfigurationError

    if request.full and request.only:
        raise typer.BadParameter("--full makes both hops: leave --only out")
    if request.backfill and (request.full or request.only or request.importance):
        raise typer.BadParameter("--backfill goes without --full, --only and --importance")
    if request.backfill and request.accept_source:
        raise typer.BadParameter("--backfill goes without --accept-source: run once before it")
    options = {"--accept-drift": request.accept_drift, "--adopt": request.adopt}
    for option in (option for option, is_given in options.items() if is_given):
        if request.backfill or not request.tables:
            raise ConfigurationError(
                f"{option} is for tables that are named, and goes without --backfill",
                fix=f"etl run TABLE {option}",
            )


def _execute(
    settings: Settings, request: RunRequest, style: ProgressStyle, *, keep_trace: KeepTrace | None
) -> RunSummary:
    """Make the backfill, or else the run, of *request*, and show its progress."""
    from etl_pipeline.cli.screens.run_progress import show_progress

    if request.backfill:
        from etl_pipeline.pipeline.backfill import backfill_once

        with show_progress(style, hops=1) as listen:
            return backfill_once(settings, request, listen=listen, keep_trace=keep_trace)
    from etl_pipeline.pipeline.run import run_once

    with show_progress(style, hops=2) as listen:
        return run_once(settings, request, listen=listen, keep_trace=keep_trace)


def transform_after(
    settings: Settings, style: ProgressStyle, *, quiet: bool, as_json: bool
) -> TransformSummary | EtlError:
    """Build the models from the tables just copied, and show the result.

    With JSON, that goes to stderr; with *quiet*, a success shows nothing. An error is returned,
    not raised, since the run itself has a result.
    """
    from etl_pipeline.cli.screens.transform import transform_screen
    from etl_pipeline.cli.transform import build_models
    from etl_pipeline.errors import EtlError

    try:
        summary = build_models(settings, style)
    except EtlError as error:
        return error
    if not (quiet and summary.is_success):
        (say if as_json else show)(transform_screen(summary))
    return summary
