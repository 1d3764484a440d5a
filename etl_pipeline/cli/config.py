"""``etl config``: what holds and where it came from, and the JSON Schemas of the two files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import DEBUG_OPTION, exit_codes
from etl_pipeline.formatting import align

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_pipeline.config.effective import Effective

app = typer.Typer(rich_markup_mode=None)


AS_JSON = typer.Option(False, "--json", help="Print the values as JSON.")
FILES = ("pipeline", "tables")
FILE = typer.Argument(..., metavar="FILE", hidden=True)


@app.callback()
def _config() -> None:
    """Show the configuration that holds, or the schemas of its files.

    Example: etl config show
    """


@app.command("show", short_help="Show every value, and where it came from.")
def show_values(as_json: bool = AS_JSON, debug: bool = DEBUG_OPTION) -> None:
    """Show every value that holds, and where it came from: file and line, or the default.

    Secrets are shown as stars. No server is asked.

    Example: etl config show | grep source
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.config import FileConfigProvider, Settings
        from etl_pipeline.config.effective import list_effective

        provider = FileConfigProvider()
        settings = Settings(provider=provider)
        values = list_effective(settings)
        if as_json:
            show(_json(settings.environment, str(provider.directory), values))
            return
        say(f"{settings.environment}, with the files in {provider.directory}")
        show(screen(values))


@app.command("schema", short_help="Print the JSON Schema of pipeline.yml or tables.yml.")
def print_schema(file: str = FILE, debug: bool = DEBUG_OPTION) -> None:
    """Print the JSON Schema of FILE, pipeline or tables: editors complete and check by it.

    Many editors take it from a first line in the YAML file:

      # yaml-language-server: $schema=tables.schema.json

    Example: etl config schema tables > tables.schema.json
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.config.reference import make_schema

        name = file.removesuffix(".yml")
        if name not in FILES:
            raise typer.BadParameter("expected pipeline or tables")
        show(json.dumps(make_schema(name), indent=2))


def screen(values: Sequence[Effective]) -> str:
    """One line a value: key, value, origin."""
    cells = [(value.key, value.value, value.origin) for value in values]
    return "\n".join(align(cells, widest={1: 40}))


def _json(environment: str, folder: str, values: Sequence[Effective]) -> str:
    listed = [{"key": item.key, "value": item.value, "origin": item.origin} for item in values]
    return json.dumps({"environment": environment, "folder": folder, "values": listed}, indent=2)
