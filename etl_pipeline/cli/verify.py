"""``etl verify``: compare tables in the three databases."""

from __future__ import annotations

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import (
    DEBUG_OPTION,
    JSON_OPTION,
    complete_table,
    exit_codes,
    stop_on_sigterm,
)

TABLES = typer.Argument(None, metavar="TABLE", hidden=True, autocompletion=complete_table)
DEEP = typer.Option(
    False, "--deep", help="Send the rows again, compare raw by value, and name the keys."
)


def verify(
    tables: list[str] | None = TABLES,
    deep: bool = DEEP,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Compare source, replication and raw, and name the tables that differ.

    Nothing is changed. TABLE names the tables to compare. With none named, those of tables.yml
    are compared, and where it names none, all tables of the source.

    Example: etl verify patient --deep
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.cli.progress import show_progress
        from etl_pipeline.cli.screens import verify_json, verify_screen
        from etl_pipeline.cli.shell import show_trace
        from etl_pipeline.config import get_settings
        from etl_pipeline.pipeline.session import verify_once

        stop_on_sigterm()
        with show_progress(hops=1) as listen:
            summary = verify_once(
                get_settings(),
                tables or [],
                deep=deep,
                listen=listen,
                keep_trace=show_trace if debug else None,
            )
        if as_json:
            say(verify_screen(summary))
        show(verify_json(summary) if as_json else verify_screen(summary))
        if not summary.is_success:
            raise typer.Exit(1)
