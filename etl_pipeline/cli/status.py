"""``etl status``, ``etl history`` and ``etl show``: what the state tells."""

from __future__ import annotations

import typer

from etl_pipeline.cli.output import show, stdout_width
from etl_pipeline.cli.shell import DEBUG_OPTION, JSON_OPTION, exit_codes, stop_on_signals

TABLES = typer.Argument(None, metavar="TABLE", hidden=True)
LIMIT = typer.Option(20, "--limit", min=1, help="How many runs.")
RUN = typer.Argument(..., metavar="RUN", help="Number of the run.", show_default=False)


def status(
    tables: list[str] | None = TABLES, as_json: bool = JSON_OPTION, debug: bool = DEBUG_OPTION
) -> None:
    """Show how each table stands: strategy, grade of its proof, rows, age, next full pass.
    What is wrong comes first. A terminal that is too narrow shows fewer columns.

    Rows of the source are its own estimate; those of replication and raw are what they were last
    given. TABLE names the tables to show.

    Example: etl status patient
    """  # noqa: D205 - the help is one screen
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.cli.screens.status import status_json, status_screen
        from etl_pipeline.config import get_settings
        from etl_pipeline.pipeline.status import read_status

        stop_on_signals(only_reads=True)
        found = read_status(get_settings(), tables or [])
        show(status_json(found) if as_json else status_screen(found, stdout_width()))


def history(limit: int = LIMIT, as_json: bool = JSON_OPTION, debug: bool = DEBUG_OPTION) -> None:
    """Show the last runs, the newest first.

    Example: etl history --limit 5
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.cli.screens.status import history_json, history_screen
        from etl_pipeline.config import get_settings
        from etl_pipeline.pipeline.status import read_history

        stop_on_signals(only_reads=True)
        found = read_history(get_settings(), limit)
        show(history_json(found) if as_json else history_screen(found, stdout_width()))


def show_run(run: int = RUN, as_json: bool = JSON_OPTION, debug: bool = DEBUG_OPTION) -> None:
    """Show what a run did to each table, with its notes and errors.

    Example: etl show 12
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.cli.screens.status import run_record_json, run_record_screen
        from etl_pipeline.config import get_settings
        from etl_pipeline.pipeline.status import read_run

        stop_on_signals(only_reads=True)
        found = read_run(get_settings(), run)
        show(run_record_json(*found) if as_json else run_record_screen(*found, stdout_width()))
