"""Load of a server, from its answers, and the limits above which reading waits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl_pipeline.core.server_version import is_mariadb

Rows = Sequence[Mapping[str, Any]]

THREADS_RUNNING = "SHOW GLOBAL STATUS LIKE 'Threads_running'"
_RUNNING_REPLICAS = "SHOW GLOBAL STATUS LIKE 'Slaves_running'"
_READ_ONLY = "SHOW GLOBAL VARIABLES LIKE 'read_only'"
_LAG = ("Seconds_Behind_Source", "Seconds_Behind_Master")


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """Load of a server above which reading waits."""

    threads_running: int = 25
    replica_lag_seconds: float = 60.0


def replica_status(server_version: str) -> str:
    """Return the statement that shows how far a replica is behind."""
    if is_mariadb(server_version):
        return "SHOW ALL SLAVES STATUS"
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", server_version)
    is_new = numbers is not None and tuple(map(int, numbers.groups())) >= (8, 0, 22)
    return "SHOW REPLICA STATUS" if is_new else "SHOW SLAVE STATUS"


def replica_privilege(server_version: str) -> str:
    """Return the privilege that ``replica_status`` needs; MariaDB before 10.5 names it as MySQL."""
    return "REPLICA MONITOR" if is_mariadb(server_version) else "REPLICATION CLIENT"


def seems_replica(show: Callable[[str], Rows], server_version: str) -> bool:
    """True if a server looks like a replica to a user who may not see its replication.

    MariaDB counts for everybody the replications that run; MySQL does not, but a replica of it is
    as a rule told to be read-only.
    """
    if is_mariadb(server_version):
        rows = show(_RUNNING_REPLICAS)
        return bool(rows) and int(rows[0]["Value"]) > 0
    rows = show(_READ_ONLY)
    return bool(rows) and rows[0]["Value"] == "ON"


def read_threads(rows: Rows) -> int:
    """Return the number in the answer to ``THREADS_RUNNING``."""
    return int(rows[0]["Value"]) if rows else 0


def read_lag(rows: Rows) -> float | None:
    """Return the seconds that the server is behind, from the answer to ``replica_status``.

    The largest of its channels', without the delay that somebody chose; None where it is no
    replica, or where its replication stands still and it does not know.
    """
    lags = []
    for row in rows:
        behind = next((row[name] for name in _LAG if row.get(name) is not None), None)
        if behind is not None:
            lags.append(max(float(behind) - float(row.get("SQL_Delay") or 0), 0.0))
    return max(lags, default=None)


def judge_load(threads: int, lag: float | None, limits: LoadLimits) -> str | None:
    """Return why reading must wait, in words; None if it may begin."""
    if threads > limits.threads_running:
        return f"Threads_running is {threads}, the limit {limits.threads_running}"
    if lag is not None and lag > limits.replica_lag_seconds:
        return f"it is a replica {lag:,.0f} s behind, the limit {limits.replica_lag_seconds:g} s"
    return None
