"""Peak memory and time of ``etl run`` for tables of different sizes, on servers of the launcher.

    python -m benchmarks.memory 250000 1000000 50MB

A number is a table of so many rows; ``50MB`` is a table of three rows with a value of that size.
Prints a line each: seconds, peak resident memory of the process, and rows a second.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from etl_pipeline.demo.server_databases import (
    connect_mysql,
    create_practice_databases,
    drop_practice_databases,
)
from etl_pipeline.demo.servers import Servers, remove_servers, running_servers

TABLE = Path(__file__).with_name("procedurelog.sql")
LARGE_ROWS = 3
LARGE_VALUES = f"""
CREATE TABLE documentmisc (DocMiscNum bigint PRIMARY KEY, RawBytes longblob);
INSERT INTO documentmisc
SELECT seq, repeat(unhex(sha2(seq, 512)), {{units}}) FROM seq_1_to_{LARGE_ROWS};
"""


def fill_script(size: str) -> tuple[str, int]:
    """The SQL that makes the table of a *size* from the command line, and its rows."""
    if size.endswith("MB"):
        units = int(size.removesuffix("MB")) * 1_000_000 // 64
        return LARGE_VALUES.format(units=units), LARGE_ROWS
    return TABLE.read_text().replace("{rows}", size), int(size)


def measure(servers: Servers, folder: Path, script: str) -> tuple[float, float]:
    """Seconds and peak MB of the ``etl run`` that copies the table of *script*."""
    env = create_practice_databases(servers)
    try:
        prepare(servers, folder, env, script)
        return _run(folder)
    finally:
        drop_practice_databases(servers, env)


def prepare(servers: Servers, folder: Path, env: Mapping[str, str], script: str) -> None:
    """Run *script* at the source, and write the configuration for *env* into *folder*."""
    database = env["TEST_OPENDENTAL_SOURCE_DB"]
    with closing(connect_mysql(servers.source, database)) as source, source.cursor() as cursor:
        for statement in script.split(";\n"):
            if statement.strip():
                cursor.execute(statement)
    env_file = folder / ".env_test"
    env_file.touch(mode=0o600)
    env_file.write_text("".join(f"{name}={value}\n" for name, value in env.items()))


def etl_run() -> list[str]:
    """The command line of ``etl run`` in this very environment."""
    return [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()", "run"]


def environment(folder: Path) -> dict[str, str]:
    """The process environment for a command that finds its configuration in *folder*."""
    return {**os.environ, "ETL_ENVIRONMENT": "test", "ETL_CONFIG_DIR": str(folder)}


def _run(folder: Path) -> tuple[float, float]:
    started = time.monotonic()
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)]
    process = os.posix_spawn(sys.executable, etl_run(), environment(folder), file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"etl run ended with status {status}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def main() -> None:
    """Measure the sizes that the command line names."""
    sizes = sys.argv[1:] or ["250000", "1000000"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with running_servers(folder) as servers:
                for size in sizes:
                    script, rows = fill_script(size)
                    seconds, megabytes = measure(servers, folder, script)
                    print(  # noqa: T201 - a benchmark's result
                        f"{size:>9} {rows:>9,} rows {seconds:7.1f} s {megabytes:7.1f} MB "
                        f"{rows / seconds:>9,.0f} rows/s",
                        flush=True,
                    )
        finally:
            remove_servers(folder)


if __name__ == "__main__":
    main()
