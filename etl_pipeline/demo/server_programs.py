"""The server programs of this machine, and the command lines that start them.

Settings keep the servers' durable defaults (every commit reaches the disk); what is raised is
memory and log space, for bulk loading. Command lines replace configuration files: the machine's
own ``my.cnf`` is not read, and no file of ours can disagree with the code.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST_POSTGRES = 13
INSTALL_HINT = (
    "apt-get install mariadb-server-core mariadb-client-core postgresql   (Debian, Ubuntu)\n"
    "       brew install mariadb postgresql@17   (macOS)\n"
    "       docker compose up --detach   (with compose.yaml, and no server programs here)"
)
MARIADB_FOLDERS = (
    "/usr/sbin",
    "/usr/bin",
    "/usr/libexec",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/local/mariadb*/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/mariadb*/bin",
    "/usr/local/opt/mariadb*/bin",
)
POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/usr/local/pgsql/bin",
    "/usr/bin",
)


@dataclass(frozen=True)
class ServerPrograms:
    """Absolute paths of the programs, and the versions that decide whether data fits them."""

    mariadbd: Path
    mariadb_install_db: Path
    mariadb_version: str
    postgres: Path
    initdb: Path
    postgres_version: str


def find_programs() -> ServerPrograms:
    """Find the server programs on PATH, then where distributions put them.

    Raises:
        ConfigurationError: Some are missing; all of them are named.
    """
    mariadbd = next(_candidates("mariadbd", MARIADB_FOLDERS), None)
    install_db = next(_candidates("mariadb-install-db", MARIADB_FOLDERS), None)
    initdb = next(_usable_initdbs(), None)
    if mariadbd and install_db and initdb:
        postgres = initdb.with_name("postgres")
        return ServerPrograms(
            mariadbd=mariadbd,
            mariadb_install_db=install_db,
            mariadb_version=_version(mariadbd, r"\d+\.\d+"),
            postgres=postgres,
            initdb=initdb,
            postgres_version=_version(postgres, r"\d+"),
        )
    found = {
        "mariadbd": mariadbd,
        "mariadb-install-db": install_db,
        f"PostgreSQL's initdb ({OLDEST_POSTGRES} or newer)": initdb,
    }
    missing = ", ".join(name for name, path in found.items() if path is None)
    raise ConfigurationError(
        f"server programs are not installed: {missing}",
        where="private servers",
        fix=INSTALL_HINT,
    )


def install_mariadb(programs: ServerPrograms, datadir: Path, tmpdir: Path) -> list[str]:
    """Return the command that fills *datadir* with MariaDB's system tables."""
    return [
        str(programs.mariadb_install_db),
        "--no-defaults",
        f"--datadir={datadir}",
        f"--tmpdir={tmpdir}",
        "--auth-root-authentication-method=normal",
        "--skip-name-resolve",
        "--skip-test-db",
        "--innodb-log-file-size=256M",  # the size of later starts, so none of them resizes it
    ]


def install_postgres(programs: ServerPrograms, datadir: Path, password_file: Path) -> list[str]:
    """Return the command that makes a PostgreSQL cluster whose superuser has a password."""
    return [
        str(programs.initdb),
        f"--pgdata={datadir}",
        "--username=postgres",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",  # the one locale that every machine has
    ]


def mariadb_marker(data: Path, role: str) -> str:
    """Return the argument by which the MariaDB server called *role* is known."""
    return f"--pid-file={data / role}.pid"


def postgres_marker(data: Path) -> str:
    """Return the argument by which the PostgreSQL server is known."""
    return f"--unix_socket_directories={data}"


_LOG = (
    "--log-bin=binlog",
    "--server-id=1",
    "--binlog-format=ROW",
    "--binlog-expire-logs-seconds=86400",
    "--max-binlog-size=64M",
)


def run_mariadb(
    programs: ServerPrograms, datadir: Path, data: Path, role: str, *, port: int
) -> list[str]:
    """Return MariaDB's command line; ``<role>.sql`` in *data* runs before the first login.

    The source keeps a binary log of a day, which ``etl follow`` reads. No two servers may share a
    folder for temporary files: one that starts deletes the others' temporary tables (measured on
    MariaDB 10.11).
    """
    return [
        str(programs.mariadbd),
        "--no-defaults",
        mariadb_marker(data, role),
        f"--datadir={datadir}",
        f"--tmpdir={data / role}.tmp",
        f"--socket={data / role}.sock",
        f"--init-file={data / role}.sql",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        *(_LOG if role == "source" else ("--skip-log-bin",)),
        "--performance-schema=OFF",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_general_ci",
        "--innodb-flush-log-at-trx-commit=1",
        "--innodb-doublewrite=ON",
        "--innodb-buffer-pool-size=256M",
        "--innodb-log-file-size=256M",
        "--max-allowed-packet=1G",
        "--local-infile=ON",
    ]


def run_postgres(programs: ServerPrograms, datadir: Path, data: Path, *, port: int) -> list[str]:
    """Return PostgreSQL's command line; its socket lies in *data*."""
    return [
        str(programs.postgres),
        "-D",
        str(datadir),
        postgres_marker(data),
        f"--port={port}",
        "--listen_addresses=127.0.0.1",
        "--fsync=on",
        "--synchronous_commit=on",
        "--full_page_writes=on",
        "--shared_buffers=256MB",
        "--maintenance_work_mem=256MB",
        "--max_wal_size=4GB",
        "--checkpoint_timeout=15min",
        "--timezone=UTC",
        "--log_timezone=UTC",
        # A failed statement's text may quote values of rows.
        "--log_min_error_statement=panic",
    ]


def _candidates(name: str, folders: tuple[str, ...]) -> Iterator[Path]:
    """Yield executables called *name*: PATH's, then those in *folders*, newest version first."""
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path).resolve()
    for pattern in folders:
        for folder in sorted(Path("/").glob(pattern[1:]), key=_version_in_path, reverse=True):
            path = folder / name
            if path.is_file() and shutil.which(str(path)):
                yield path.resolve()


def _usable_initdbs() -> Iterator[Path]:
    for initdb in _candidates("initdb", POSTGRES_FOLDERS):
        postgres = initdb.with_name("postgres")
        if postgres.is_file() and int(_version(postgres, r"\d+")) >= OLDEST_POSTGRES:
            yield initdb


def _version_in_path(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def _version(program: Path, pattern: str) -> str:
    shown = subprocess.run(
        [program, "--version"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    match = re.search(pattern, shown.stdout)
    return match.group() if match else "0"
