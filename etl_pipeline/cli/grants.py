"""``etl grants``: who may read the models."""

from __future__ import annotations

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import DEBUG_OPTION, exit_codes, stop_on_signals

READER = typer.Option(
    ..., "--reader", metavar="ROLE", help="A role of the warehouse, such as that of a BI tool."
)
SCHEMA = typer.Option(
    None,
    "--schema",
    metavar="NAME",
    help="Let it read this schema too, such as staging. May be given several times.",
)
APPLY = typer.Option(False, "--apply", help="Run the statements.")


def grants(
    reader: str = READER,
    schema: list[str] | None = SCHEMA,
    apply: bool = APPLY,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Print what a role needs to read the marts, now and after later builds.

    Only what it lacks is printed, as SQL. It reads no other schema but those that are named.

    Example: etl grants --reader bi --apply
    """
    with exit_codes(debug=debug, stopped="nothing was granted"):
        from etl_pipeline.config import get_settings
        from etl_pipeline.pipeline.reader_role import let_read

        stop_on_signals()
        missing = let_read(get_settings(), reader, schema or [], apply=apply)
        if not missing.statements:
            say(f"nothing to do: {reader} reads {', '.join(missing.schemas)}, later models too")
            return
        show("\n".join(f"{statement};" for statement in missing.statements))
        say("granted" if apply else "to run them: the same command with --apply")
