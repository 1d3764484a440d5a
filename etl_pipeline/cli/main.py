"""The ``etl`` command: its sub-commands in the order in which a new user meets them."""

from __future__ import annotations

import typer

from etl_pipeline.cli import demo, run, verify

app = typer.Typer(
    name="etl",
    help="Keep a PostgreSQL warehouse equal to a live dental practice database.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("verify")(verify.verify)


def _show_version(wanted: bool) -> None:
    if wanted:
        from etl_pipeline import __version__

        typer.echo(f"etl_pipeline {__version__}")
        raise typer.Exit


@app.callback()
def _etl(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Keep a PostgreSQL warehouse equal to a live dental practice database."""


def main() -> None:
    """Run the command line."""
    app()
