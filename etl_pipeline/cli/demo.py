"""``etl demo``: private servers, a synthetic practice, and the pipeline's work on it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import (
    DEBUG_OPTION,
    exit_codes,
    progress_style,
    show_trace,
    stop_on_sigterm,
)
from etl_pipeline.formatting import align, count_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl_pipeline.demo.setting import Practice


class StorageEngine(StrEnum):
    """The storage engine of the practice's database; practices use either."""

    INNODB = "InnoDB"
    MYISAM = "MyISAM"


PATIENTS = typer.Option(
    None, metavar="COUNT", min=20, help="Patients of the practice; rows grow in proportion."
)
ENGINE = typer.Option(
    None,
    metavar="ENGINE",
    case_sensitive=False,
    help="Storage engine of the practice's tables, InnoDB or MyISAM.",
)
SEED = typer.Option(
    None, metavar="NUMBER", help="The same number gives the same practice, to the byte."
)
CHANGE = typer.Option(False, "--change", help="Let the practice work for a day, then end.")
STOP = typer.Option(False, "--stop", help="Stop the servers, keeping their data, then end.")
REMOVE = typer.Option(False, "--remove", help="Stop the servers and delete everything, then end.")
FOLDER = typer.Option(
    Path("demo"), "--folder", metavar="FOLDER", help="Where the demo keeps its files."
)


def demo(
    patients: int | None = PATIENTS,
    engine: StorageEngine | None = ENGINE,
    seed: int | None = SEED,
    change: bool = CHANGE,
    stop: bool = STOP,
    remove: bool = REMOVE,
    folder: Path = FOLDER,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Start private servers with a synthetic practice, and copy it to a warehouse.

    All of it lies in a folder of its own; no other database is touched. Patients, engine and
    seed describe the practice: without them the one of the last demo is kept.

    Example: etl demo --patients 3000 --engine MyISAM
    """
    with exit_codes(debug=debug, stopped="etl demo goes on from here"):
        if sum((change, stop, remove)) > 1:
            raise typer.BadParameter("choose one of --change, --stop and --remove")
        if stop or remove:
            _end(folder, remove=remove)
        elif change:
            _work_for_a_day(folder)
        else:
            _show(folder, patients, seed, engine, debug=debug)


def _show(
    folder: Path,
    patients: int | None,
    seed: int | None,
    engine: StorageEngine | None,
    *,
    debug: bool,
) -> None:
    from etl_pipeline.cli.demo_models import show_models
    from etl_pipeline.cli.screens.run import run_screen
    from etl_pipeline.cli.screens.run_progress import show_progress
    from etl_pipeline.cli.screens.verify import verify_screen
    from etl_pipeline.config import FileConfigProvider, Settings
    from etl_pipeline.demo.practice import DEFAULT_PATIENTS, DEFAULT_SEED
    from etl_pipeline.demo.servers import running_servers
    from etl_pipeline.demo.setting import Practice, prepare_practice, read_practice
    from etl_pipeline.pipeline.request import RunRequest
    from etl_pipeline.pipeline.run import run_once
    from etl_pipeline.pipeline.verify import verify_once
    from etl_pipeline.transform.dbt_version import has_dbt
    from etl_pipeline.verify.job import VerifyScope

    stop_on_sigterm()
    style = progress_style(None, quiet=False)
    keep_trace = show_trace if debug else None
    kept = read_practice(folder) or Practice(DEFAULT_PATIENTS, DEFAULT_SEED, "InnoDB")
    practice = Practice(
        kept.patients if patients is None else patients,
        kept.seed if seed is None else seed,
        kept.engine if engine is None else engine.value,
    )
    started = time.monotonic()
    say("Starting three private database servers ...")
    with running_servers(folder, stay=True) as servers:
        say(f"  ready after {time.monotonic() - started:.1f} s, in {folder}/")
        started = time.monotonic()
        say(f"Making {_described(practice)} ...")
        rows = prepare_practice(folder, servers, practice)
        if rows is None:
            say("  kept from the last demo, with the changes that it has seen since")
        else:
            say(f"  {count_of(rows, 'row')} in {time.monotonic() - started:.1f} s")
        settings = Settings("test", FileConfigProvider(folder))
        say("Copying it: source → replication → raw ...")
        with show_progress(style) as listen:
            run = run_once(settings, RunRequest(), listen=listen, keep_trace=keep_trace)
        show(run_screen(run))
        say("Comparing the three databases, value by value ...")
        with show_progress(style, hops=1) as listen:
            comparison = verify_once(
                settings, [], VerifyScope(deep=True), listen=listen, keep_trace=keep_trace
            )
        show(verify_screen(comparison))
        are_built = run.is_success and show_models(settings, style)
        show(next_steps(folder, settings.get_analytics_raw_connection_config(), has_dbt=has_dbt()))
    if not (run.is_success and comparison.is_success and are_built):
        raise typer.Exit(1)


def _described(practice: Practice) -> str:
    return (
        f"a synthetic practice of {practice.patients:,} patients "
        f"(seed {practice.seed}, {practice.engine})"
    )


def next_steps(folder: Path, analytics: Mapping[str, object], *, has_dbt: bool) -> str:
    """Return what to try after the demo; the models only where dbt is installed."""
    etl = shlex.quote(_program())
    place = "" if folder == Path("demo") else f" --folder {shlex.quote(str(folder))}"
    models = [
        (f"{etl} transform", "build and test the models again"),
        (f"{etl} transform --docs", "their documentation, a web page"),
    ]
    steps = [
        (f"{etl} demo --change{place}", "a day at the practice"),
        (f"{etl} run", "bring it over"),
        (f"{etl} follow", "or stay seconds behind it, until Ctrl-C"),
        (f"{etl} verify --deep", "compare every value"),
        *(models if has_dbt else ()),
        (f"{etl} demo --stop{place}", "stop; --remove: and delete"),
    ]
    query = (
        "SELECT * FROM marts.collection_ratio_by_month ORDER BY 1 DESC LIMIT 6"
        if has_dbt
        else 'SELECT "PatStatus", count(*) FROM raw.patient GROUP BY 1 ORDER BY 1'
    )
    steps_text = "\n".join(align([(f"  {command}", f"# {why}") for command, why in steps]))
    return f"""
The servers go on running. What to try now:

  export ETL_ENVIRONMENT=test ETL_CONFIG_DIR={shlex.quote(str(folder))}
{steps_text}

And a look into the warehouse:

  PGPASSFILE={shlex.quote(str(folder / ".pgpass"))} psql -h {analytics["host"]} \\
    -p {analytics["port"]} -U {analytics["user"]} {analytics["database"]} \\
    -c {shlex.quote(query)}"""


def _program() -> str:
    """Return the command that starts this program from here."""
    program = sys.argv[0]
    if shutil.which("etl") == program:
        return "etl"
    relative = os.path.relpath(program)
    return program if relative.startswith("..") else relative


def _work_for_a_day(folder: Path) -> None:
    from etl_pipeline.demo.setting import change_day

    changed = change_day(folder)
    for table, change in sorted(changed.tables.items()):
        show(
            f"{table:<24} {change.inserted:>6,} inserted {change.updated:>6,} updated "
            f"{change.deleted:>6,} deleted"
        )
    changes = changed.tables.values()
    show(
        f"{changed.day}: {count_of(len(changes), 'table')}, "
        f"{sum(c.inserted for c in changes):,} inserted, "
        f"{sum(c.updated for c in changes):,} updated, {sum(c.deleted for c in changes):,} deleted"
    )


def _end(folder: Path, *, remove: bool) -> None:
    from etl_pipeline.demo.servers import stop_servers
    from etl_pipeline.demo.setting import remove_demo

    if remove:
        remove_demo(folder)
        show("the demo's servers are stopped and its files deleted")
    else:
        count = stop_servers(folder)
        show(f"{count_of(count, 'server')} stopped" if count else "no server was running")
