"""``etl init``: the files of a new configuration, and a schedule for its runs."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from etl_pipeline.cli.output import show
from etl_pipeline.cli.shell import DEBUG_OPTION, exit_codes
from etl_pipeline.formatting import align

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_pipeline.setup.folder import NewFile

FOLDER = typer.Argument(Path(), metavar="DIR", hidden=True, show_default=False)
FROM_URL = typer.Option(
    None,
    "--from-url",
    metavar="URL URL URL",
    help="Of source, replication and analytics, for the file of ETL_ENVIRONMENT.",
)
SCHEDULE = typer.Option(
    False, "--schedule", help="Write nothing; print a systemd timer and a line of cron."
)


def init(
    folder: Path = FOLDER,
    from_url: tuple[str, str, str] | None = FROM_URL,
    schedule: bool = SCHEDULE,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Write the files of a new configuration into DIR, else into the current folder.

    They are .env_production and .env_test (to fill in; only you can read them), pipeline.yml,
    .gitignore and models/example.sql. A file that is there is never overwritten. A URL may lack
    its password: fill that in by hand, and it stays out of the shell's history.

    Example: etl init config
    """
    with exit_codes(debug=debug, stopped="files that were written stay; none is overwritten"):
        from etl_pipeline.config.providers import read_environment
        from etl_pipeline.setup.folder import write_folder
        from etl_pipeline.setup.texts import schedule_text
        from etl_pipeline.setup.urls import read_urls

        if schedule and from_url:
            raise typer.BadParameter("choose one of --from-url and --schedule")
        if schedule:
            environment = os.environ.get("ETL_ENVIRONMENT") and read_environment()
            place = os.environ.get("ETL_CONFIG_DIR") if folder == Path() else None
            folder = Path(place or folder).absolute()
            show(
                schedule_text(
                    _find_program(), str(folder), environment or "production", getpass.getuser()
                ).rstrip("\n")
            )
            return
        chosen = read_environment() if from_url or os.environ.get("ETL_ENVIRONMENT") else None
        environment = chosen if from_url else None
        values = read_urls(from_url, environment) if from_url and environment else {}
        files = write_folder(folder, environment, values)
        show(screen(folder, files, chosen or "production"))


def _find_program() -> str:
    """The absolute path of this very program."""
    found = shutil.which(sys.argv[0]) or sys.argv[0]
    return str(Path(found).absolute())


def screen(folder: Path, files: Sequence[NewFile], environment: str) -> str:
    """Return the files that were written, and what to do next."""
    steps = [
        (f'${{EDITOR:-vi}} "$ETL_CONFIG_DIR"/.env_{environment}', "where the databases are"),
        ("etl doctor", "checks all that a run needs"),
        ("etl discover --write", "chooses a strategy for each table"),
        ("etl plan", "shows what a run would do"),
        ("etl run", "copies, with proof"),
        ("etl verify --deep", "compares every value"),
    ]
    place = shlex.quote(str(folder.absolute()))
    return "\n".join(
        [
            *align([(str(file.path), file.remark) for file in files]),
            "",
            "Next:",
            f"  export ETL_ENVIRONMENT={environment} ETL_CONFIG_DIR={place}",
            *align([(f"  {step}", f"# {why}") for step, why in steps]),
        ]
    )
