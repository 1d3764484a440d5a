"""``etl dbt``: any command of dbt on the models, and a profile for the user's own dbt."""

from __future__ import annotations

import typer

from etl_pipeline.cli.output import show
from etl_pipeline.cli.shell import DEBUG_OPTION, exit_codes, stop_on_signals

CONTEXT = {"ignore_unknown_options": True, "allow_interspersed_args": False}
ARGUMENTS = typer.Argument(None, metavar="COMMAND", show_default=False, hidden=True)
PROFILE = typer.Option(
    False, "--profile", help="Print a profile for your own dbt, without the password."
)


def dbt(
    arguments: list[str] | None = ARGUMENTS,
    profile: bool = PROFILE,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Run a command of dbt on the models and yours, in dbt's own way; return its exit code.

    It is connected as etl transform is. Each model is committed for itself, and the next
    etl transform makes anew what dbt has built. dbt shows the server's words, which may quote
    rows.

    Example: etl dbt ls --select +accounts_receivable
    """
    with exit_codes(debug=debug, stopped="what dbt has built until then stays"):
        from etl_pipeline.config import get_settings
        from etl_pipeline.transform.dbt_command import make_profile, run_plain_dbt

        if bool(arguments) == profile:
            raise typer.BadParameter("give a command of dbt, such as ls, or --profile")
        stop_on_signals()
        if profile:
            show(make_profile(get_settings()))
            return
        if code := run_plain_dbt(get_settings(), arguments or []):
            raise typer.Exit(code)
