"""Plain dbt on the models: hand a command on to it, or print a profile for the user's own dbt.

It works in dbt's own way: sessions and transactions of its own, nothing reused, its output shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from etl_pipeline.config import Settings
from etl_pipeline.transform.dbt_project import CUSTOM, PACKAGE, assemble_project
from etl_pipeline.transform.environment import LAYERS, PROJECT
from etl_pipeline.transform.inputs import Build, open_warehouse, prepare_build
from etl_pipeline.transform.process import CANCEL_WAIT_SECONDS

THREADS = 4
_WRITERS = {"build", "run", "test", "seed", "snapshot", "retry", "clone", "run-operation"}
_DBT = (sys.executable, "-c", "from dbt.cli.main import cli; cli(prog_name='dbt')")
_SEEN = ("TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TZ")
"""Variables of the caller's that decide how dbt writes to a terminal."""
_SESSION = ("PGTZ", "PGDATESTYLE", "PGREQUIREAUTH")
"""Variables that decide how values are read, and that no password is sent in clear text."""


def run_plain_dbt(settings: Settings, arguments: Sequence[str]) -> int:
    """Run dbt with *arguments* on this process's output, and return its exit code.

    A command that may write takes the lock of transformations, and writes first what models read
    beside raw, as a build does.

    Raises: as ``transform_once``.
    """
    writes = not _WRITERS.isdisjoint(arguments)
    with open_warehouse(settings, is_locked=writes) as (connection, raw_schema):
        build = prepare_build(settings, connection, raw_schema, PROJECT, None)
        if writes:
            with connection.transaction():
                for statement, values in build.write_inputs():
                    connection.execute(statement.encode(), values)
        variables = _dbt_variables(build) | {n: os.environ[n] for n in _SEEN if n in os.environ}
        return _wait_for([*_DBT, *arguments], variables)


def make_profile(settings: Settings) -> str:
    """Return a profile for dbt, as YAML that says how a project of the user's imports ours.

    The password is not in it; dbt reads it from a variable whose value it keeps out of its output.

    Raises: as ``transform_once``.
    """
    with open_warehouse(settings, is_locked=False) as (connection, raw_schema):
        build = prepare_build(settings, connection, raw_schema, PROJECT, None)
    environment = build.environment
    config = build.layers["staging"]
    optional = {
        name: str(config[key])
        for name, key in (("sslrootcert", "ssl_ca"), ("sslcert", "ssl_cert"), ("sslkey", "ssl_key"))
        if config.get(key)
    }
    output = {
        "type": "postgres",
        "host": str(config["host"]),
        "port": int(config["port"]),
        "dbname": str(config["database"]),
        "user": str(config["user"]),
        "password": "{{ env_var('DBT_ENV_SECRET_ETL_PASSWORD') }}",
        "schema": CUSTOM,
        "threads": THREADS,
        "connect_timeout": int(config["connect_timeout"]),
        "sslmode": str(config["ssl_mode"]),
        **optional,
    }
    exports = {name: environment[name] for name in _SESSION} | {"PGOPTIONS": "-c jit=off"}
    for layer in ("raw", *LAYERS):
        name = f"ETL_SCHEMA_{layer.upper()}"
        if environment[name] != layer:
            exports[name] = environment[name]
    lines = [
        f"# profiles.yml: the models of etl_pipeline, environment {settings.environment}.",
        "# In packages.yml of your project:",
        f"#   packages: [{{local: {json.dumps(str(PROJECT.resolve()))}}}]",
        "# In its dbt_project.yml, with the name of your project for NAME:",
        "#   profile: warehouse",
        f"#   dispatch: [{{macro_namespace: dbt, search_order: [NAME, {PACKAGE}, dbt]}}]",
    ]
    if lacking := {name: value for name, value in build.variables.items() if value}:
        lines.append(f"#   vars: {json.dumps(lacking)}")
    lines += [
        "# Once `etl transform` has built, in the shell, then dbt deps and dbt build:",
        "#   export DBT_ENV_SECRET_ETL_PASSWORD=…",
        *(f"#   export {name}={shlex.quote(value)}" for name, value in exports.items()),
        "warehouse:",
        f"  target: {settings.environment}",
        "  outputs:",
        f"    {settings.environment}:",
        *(f"      {name}: {json.dumps(value)}" for name, value in output.items()),
    ]
    return "\n".join(lines)


def _dbt_variables(build: Build) -> dict[str, str]:
    """Return the environment of dbt: ours, and what else would be arguments."""
    # A folder of its own: a build of ours has another environment, and reads its project quickly.
    target = build.folder / "plain"
    project = assemble_project(target, PROJECT, build.models, build.variables)
    environment = build.environment | {
        "ETL_THREADS": str(THREADS),
        "DBT_PROJECT_DIR": str(project),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
        "DBT_LOG_LEVEL_FILE": "none",
        "DBT_USE_COLORS": str(sys.stdout.isatty()).lower(),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
    }
    del environment["DBT_EXCLUDE_RESOURCE_TYPES"]
    return environment


def _wait_for(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run *command* and return its exit code; when we are stopped, so is it."""
    with _started(command, environment) as process:
        return process.wait()


@contextlib.contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        umask=0o077,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(CANCEL_WAIT_SECONDS)
            process.kill()
            process.wait()
