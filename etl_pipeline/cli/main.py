"""The ``etl`` command: its sub-commands in the order in which a new user meets them."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

import typer

from etl_pipeline.cli import (
    config,
    dbt,
    demo,
    discover,
    doctor,
    follow,
    grants,
    init,
    plan,
    run,
    status,
    transform,
    verify,
)
from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import INTERRUPTED, CommandLineError

PROGRAM = "etl"

NEW_OBJECTS = 200_000
"""Garbage is looked for when so many objects were made: nearly all that a start makes stay."""

app = typer.Typer(
    name=PROGRAM,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo", short_help="Start private servers with a made-up practice, and copy it.")(
    demo.demo
)
app.command("init", short_help="Write the files of a new configuration, to fill in.")(init.init)
app.command("doctor", short_help="Check all that a run needs; change nothing.")(doctor.doctor)
app.command("discover", short_help="Choose a strategy for each table: tables.yml.")(
    discover.discover
)
app.command("plan", short_help="Show what a run would do; change nothing.")(plan.plan)
app.command("run", short_help="Copy the practice's tables into the warehouse, with proof.")(run.run)
app.command("follow", short_help="Keep the warehouse seconds behind the practice, by its log.")(
    follow.follow
)
app.command("verify", short_help="Compare source, replication and raw; repair.")(verify.verify)
app.command("transform", short_help="Build and test the models: staging to marts.")(
    transform.transform
)
app.command("grants", short_help="Let a role read the marts.")(grants.grants)
app.command("dbt", short_help="Run a command of dbt on the models.", context_settings=dbt.CONTEXT)(
    dbt.dbt
)
app.command("status", short_help="Show how each table stands.")(status.status)
app.command("history", short_help="Show the last runs.")(status.history)
app.command("show", short_help="Show what a run did to each table.")(status.show_run)
app.add_typer(
    config.app, name="config", short_help="Show what holds and why, or the files' schemas."
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from etl_pipeline.cli.version import describe_versions

        show(describe_versions())
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _etl(
    context: typer.Context,
    _version: bool = typer.Option(
        False,
        "--version",
        callback=_show_version,
        is_eager=True,
        help="Show the versions of what matters and exit.",
    ),
) -> None:
    """Keep a PostgreSQL warehouse equal to a live dental practice database.

    source (MySQL) → replication (MySQL) → raw (PostgreSQL)

    A first look, with nothing to set up: etl demo

    Where the databases are stands in .env_production or .env_test. ETL_ENVIRONMENT chooses
    production or test, and ETL_CONFIG_DIR names the folder of the files, if it is not the
    current one.

    Exit codes: 0 all is proven; 1 tables failed or differ, or a server cannot be used; 2 the
    configuration or the command is wrong; 130 stopped by Ctrl-C.
    """
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(2)


def main() -> NoReturn:
    """Run the command line, and exit."""
    _begin_in_utf8()
    if isinstance(sys.stdout, TextIOWrapper):
        # What a terminal of another encoding lacks (→, names) is escaped, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    # libpq looks for the service of that name whatever a connection says: see refuse_service.
    os.environ.pop("PGSERVICE", None)
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)  # else the interpreter looks through all of them to end
    try:
        code = app(prog_name=PROGRAM, standalone_mode=False)
    except CommandLineError as error:
        code = _refuse(error)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    sys.exit(code)


def _begin_in_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale knows ASCII alone, as ``POSIX`` does.

    Names of tables in arguments and of folders are UTF-8 there as elsewhere. Python does so by
    itself, unless ``PYTHONUTF8=0`` and ``PYTHONCOERCECLOCALE=0`` tell it not to.
    """
    if sys.getfilesystemencoding() == "ascii" and sys.executable and not sys.flags.utf8_mode:
        command = [sys.executable, "-X", "utf8=1", *sys.orig_argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606 - the same program, with no shell


def _refuse(error: Any) -> int:
    """Print what is wrong with the command line, and return the exit code."""
    context = error.ctx
    command = context.command_path if context else PROGRAM
    # The library's words for a value that a check of ours refused are left out.
    what = error.format_message().strip().rstrip(".")
    what = what.removeprefix("Invalid value: ").replace(": Value error, ", ": ")
    say(f"error: {command}: {what[:1].lower()}{what[1:]}\n  fix: {command} --help")
    return 2
