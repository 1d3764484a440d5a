"""The ``etl`` command: its sub-commands, and the one place where errors become exit codes."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="etl",
    help="Keep a PostgreSQL warehouse equal to a live dental practice database.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    app()
