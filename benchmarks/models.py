"""How long the models take: ``python -m benchmarks.models``.

In turns, as commands of their own: a full build, which makes every row of every model anew,
compares it with the one that is there, and runs every test; a build when nothing has changed; and
a build after a day at the practice, whose run is not counted. With ``--psql`` also the SQL of the
full build through psql: what dbt sent for the seed, the models and the tests, in one session and in
an order in which nothing waits. What dbt asks besides is its own affair, and counts as its time.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path

from benchmarks.memory import environment, etl_run
from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.servers import remove_servers, running_servers
from etl_pipeline.demo.setting import Practice, change_day, prepare_practice
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.transform.build import transform_once
from etl_pipeline.transform.environment import PROJECT
from etl_pipeline.transform.summary import TransformSummary

TRANSFORM = [*etl_run()[:-1], "transform"]


def main() -> None:
    """Print each time, and the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, default=10_000, help="size of the practice")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="servers and practice of it stay")
    parser.add_argument("--psql", action="store_true", help="also the same SQL through psql")
    choices = parser.parse_args()
    with _practice(choices.folder, choices.patients) as (settings, folder):
        summary = transform_once(settings, full_refresh=True, listen=lambda _: None)
        psql = _make_psql(settings, summary, folder) if choices.psql else None
        taken: dict[str, list[float]] = {}
        for _ in range(choices.repeats):
            _keep(taken, "full build", [*TRANSFORM, "--full-refresh"], environment(folder))
            if psql:
                _keep(taken, "the same in psql", psql, _where(settings))
            _keep(taken, "nothing changed", TRANSFORM, environment(folder))
            _work_a_day(folder, settings)
            _keep(taken, "a day of changes", TRANSFORM, environment(folder))
        full = statistics.median(taken["full build"])
        print(f"{choices.patients:,} patients, {len(summary.nodes)} models and tests")  # noqa: T201
        for name, seconds in taken.items():
            each = ", ".join(f"{duration:.1f}" for duration in seconds)
            middle = statistics.median(seconds)
            print(f"{name:<18} {middle:7.1f} s  {middle / full:6.3f}  ({each})")  # noqa: T201


def _make_psql(settings: Settings, summary: TransformSummary, folder: Path) -> list[str]:
    script = folder / "models.sql"
    statements = _sent_statements(settings, summary)
    script.write_text("".join(f"BEGIN;\n{statement}\nCOMMIT;\n" for statement in statements))
    return ["psql", "-Xqv", "ON_ERROR_STOP=1", "-o", os.devnull, "-f", str(script)]


def _work_a_day(folder: Path, settings: Settings) -> None:
    """Let the practice work for a day, and copy it."""
    change_day(folder)
    if not run_once(settings, RunRequest(), listen=lambda _: None).is_success:
        raise SystemExit("the day could not be copied")


def _keep(
    taken: dict[str, list[float]], name: str, command: Sequence[str], env: Mapping[str, str]
) -> None:
    taken.setdefault(name, []).append(_take(command, env))


@contextmanager
def _practice(kept: Path | None, patients: int) -> Iterator[tuple[Settings, Path]]:
    """A practice whose rows are in raw, on private servers; those of a folder that is kept stay."""
    with tempfile.TemporaryDirectory() as passing:
        folder = (kept or Path(passing)).resolve()
        folder.mkdir(exist_ok=True)
        try:
            with running_servers(folder, stay=kept is not None) as servers:
                prepare_practice(folder, servers, Practice(patients, 7, "InnoDB"))
                settings = Settings("test", FileConfigProvider(folder))
                if not run_once(settings, RunRequest(), listen=lambda _: None).is_success:
                    raise SystemExit("the practice could not be copied")
                yield settings, folder
        finally:
            if kept is None:
                remove_servers(folder)


def _sent_statements(settings: Settings, summary: TransformSummary) -> list[str]:
    """What dbt sent, what is built from others after them; examples first, which need nothing."""
    manifest = json.loads((summary.folder / "manifest.json").read_text())
    sent = summary.folder / "run" / "practice"
    found = {path.name: path for path in sent.rglob("*.sql")}
    order = TopologicalSorter(manifest["parent_map"]).static_order()
    names = [
        *(f"{key.split('.')[-1]}.sql" for key in manifest["unit_tests"]),
        *(Path(manifest["nodes"][key]["path"]).name for key in order if key in manifest["nodes"]),
    ]
    texts = [found.pop(name).read_text().strip().rstrip(";") for name in names if name in found]
    if found:
        raise SystemExit(f"not sent through psql: {', '.join(found)}")
    staging = settings.get_analytics_staging_connection_config()["schema"]
    return [_fill_seed(f"{staging}.enumeration"), *(f"{text};" for text in texts)]


def _fill_seed(table: str) -> str:
    with (PROJECT / "seeds" / "enumeration.csv").open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    lines = (", ".join("'" + value.replace("'", "''") + "'" for value in row) for row in rows)
    return f"TRUNCATE {table};\nINSERT INTO {table} VALUES\n" + ",\n".join(
        f"({line})" for line in lines
    ) + ";"  # fmt: skip


def _where(settings: Settings) -> dict[str, str]:
    config = settings.get_analytics_staging_connection_config()
    names = {"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "database", "PGUSER": "user"}
    return {
        "PATH": os.environ["PATH"],
        **{name: str(config[key]) for name, key in names.items()},
        "PGPASSWORD": str(config["password"]),
    }


def _take(command: Sequence[str], env: Mapping[str, str]) -> float:
    started = time.monotonic()
    subprocess.run(command, env=dict(env), check=True, capture_output=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
