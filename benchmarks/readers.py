"""What a reader of ``raw`` notices of a reload: answers and waiting times, on private servers.

    python -m benchmarks.readers 1000000

Loads a table, lets a reader ask a view on it every 100 ms, changes the source, and runs again, once
as on every day and once with --full. Prints the counts that were seen, the longest wait, and
whether view, table and grants are the same.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.memory import environment, etl_run, fill_script, prepare
from etl_pipeline.demo.server_databases import (
    connect_mysql,
    connect_postgres,
    create_practice_databases,
)
from etl_pipeline.demo.servers import Endpoint, Servers, remove_servers, running_servers

VIEW = 'CREATE VIEW public.fees AS SELECT "ProcNum", "ProcFee" FROM raw.procedurelog'
IDENTITY = (
    "SELECT string_agg(oid::text || coalesce(relacl::text, ''), ' ' ORDER BY oid) FROM pg_class "
    "WHERE oid IN ('public.fees'::regclass, 'raw.procedurelog'::regclass)"
)


class Reader(threading.Thread):
    """Asks for the view's count every 100 ms until it is told to stop."""

    def __init__(self, server: Endpoint, database: str) -> None:
        super().__init__()
        self._server, self._database = server, database
        self.done = threading.Event()
        self.counts: set[int] = set()
        self.waits: list[float] = []

    def run(self) -> None:
        """Ask, and keep what was answered and how long it took."""
        with closing(connect_postgres(self._server, self._database)) as connection:
            while not self.done.wait(0.1):
                started = time.monotonic()
                row = connection.execute("SELECT count(*) FROM public.fees").fetchone()
                self.waits.append(time.monotonic() - started)
                self.counts.add(row[0] if row else -1)


def main() -> None:
    """Measure the reloads of as many rows as the command line says."""
    size = sys.argv[1] if len(sys.argv) > 1 else "1000000"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with running_servers(folder) as servers:
                env = create_practice_databases(servers)
                prepare(servers, folder, env, fill_script(size)[0])
                subprocess.run(etl_run(), env=environment(folder), check=True, capture_output=True)
                for options in ([], ["--full"]):
                    _reload(servers, folder, env, [*etl_run(), *options])
        finally:
            remove_servers(folder)


def _reload(servers: Servers, folder: Path, env: Mapping[str, str], command: Sequence[str]) -> None:
    """Change the source, reload it by *command* under a reader, and print what the reader saw."""
    with closing(connect_postgres(servers.analytics, env["TEST_POSTGRES_ANALYTICS_DB"])) as admin:
        admin.execute("DROP VIEW IF EXISTS public.fees")
        admin.execute(VIEW)
        admin.execute("GRANT SELECT ON public.fees, raw.procedurelog TO public")
        before = admin.execute(IDENTITY).fetchone()
        _change(servers.source, env["TEST_OPENDENTAL_SOURCE_DB"])
        reader = Reader(servers.analytics, env["TEST_POSTGRES_ANALYTICS_DB"])
        reader.start()
        time.sleep(2)
        quiet = len(reader.waits)
        started = time.monotonic()
        subprocess.run(command, env=environment(folder), check=True, capture_output=True)
        seconds = time.monotonic() - started
        time.sleep(1)
        reader.done.set()
        reader.join()
        same = admin.execute(IDENTITY).fetchone() == before
    waits = sorted(reader.waits[quiet:])
    print(  # noqa: T201 - a benchmark's result
        f"etl {' '.join(command[3:])}: {seconds:.1f} s; counts seen {sorted(reader.counts)}; "
        f"{len(waits)} answers, median {waits[len(waits) // 2] * 1000:.0f} ms, "
        f"longest {waits[-1] * 1000:.0f} ms "
        f"(longest before the reload {max(reader.waits[:quiet]) * 1000:.0f} ms); "
        f"view, table and grants {'the same' if same else 'NOT the same'}",
        flush=True,
    )


def _change(server: Endpoint, database: str) -> None:
    """Delete a row of a thousand, and change one of twenty."""
    with closing(connect_mysql(server, database)) as source, source.cursor() as cursor:
        cursor.execute("SELECT MAX(ProcNum) FROM procedurelog")
        (last,) = cursor.fetchone() or (0,)
        cursor.execute(f"DELETE FROM procedurelog WHERE ({last} - ProcNum) % 1000 = 0")
        cursor.execute("UPDATE procedurelog SET ProcFee = ProcFee + 1 WHERE ProcNum % 20 = 0")


if __name__ == "__main__":
    main()
