"""``etl plan``: what a run would do, without doing it."""

from __future__ import annotations

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.run import IMPORTANCE_OPTION, Importance
from etl_pipeline.cli.shell import (
    DEBUG_OPTION,
    complete_table,
    exit_codes,
    stop_on_signals,
)

TABLES = typer.Argument(None, metavar="TABLE", hidden=True, autocompletion=complete_table)
SQL = typer.Option(False, "--sql", help="Show the statements too.")
AS_JSON = typer.Option(False, "--json", help="Print the plan as JSON on stdout.")


def plan(
    tables: list[str] | None = TABLES,
    importance: list[Importance] = IMPORTANCE_OPTION,
    sql: bool = SQL,
    as_json: bool = AS_JSON,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Show what etl run would do with each table, and change nothing.

    For each table: its strategy, the rows and megabytes at the source, the time that the last
    run took, what is read, how its schema changed, and what depends on it in the warehouse.
    Then which models etl transform would build now, and why.

    Example: etl plan patient --sql
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.cli.screens.plan import plan_json, plan_screen
        from etl_pipeline.config import FileConfigProvider, Settings
        from etl_pipeline.pipeline.plan import preview_run
        from etl_pipeline.pipeline.request import RunRequest
        from etl_pipeline.transform.dbt_version import has_dbt
        from etl_pipeline.transform.environment import find_folder
        from etl_pipeline.transform.preview import preview_build

        stop_on_signals(only_reads=True)
        settings = Settings(provider=FileConfigProvider())
        request = RunRequest(tables=tables or [], importance=[level.value for level in importance])
        preview = preview_run(settings, request, folder=find_folder(settings))
        models = None
        if has_dbt() and not (tables or importance):
            models = preview_build(settings)
        screen = plan_screen(preview, models, with_sql=sql)
        if as_json:
            say(screen)
        show(plan_json(preview, models) if as_json else screen)
        if preview.failing:
            raise typer.Exit(1)
