"""Check of the source's binary log, which ``etl follow`` reads (no I/O)."""

from __future__ import annotations

from collections.abc import Iterator

from etl_pipeline.core.grant_statements import grant_log
from etl_pipeline.core.grants import parse_grants
from etl_pipeline.setup.facts import MysqlFacts
from etl_pipeline.setup.finding import Finding

LEAST_HOURS = 24.0
"""A log that is kept for less may be purged while a follower is away for a night."""

_CHECK = "source.log"


def judge_log(facts: MysqlFacts) -> Finding:
    """Check that ``etl follow`` can be used; a run needs none of it, so nothing here fails."""
    for what, fix in _find_missing(facts):
        return Finding(_CHECK, "skipped", f"not for etl follow: {what}", fix)
    hours = _hours_kept(facts)
    kept = "without end" if hours is None else f"for {hours:,.0f} hours"
    if hours is not None and hours < LEAST_HOURS:
        return Finding(
            _CHECK,
            "warning",
            f"the binary log is kept {kept}: a follower that is away for longer compares all "
            "tables",
            f"SET GLOBAL {_retention(facts)}, and put it into the server's configuration too",
        )
    return Finding(_CHECK, "ok", f"etl follow can be used; the binary log is kept {kept}")


def _find_missing(facts: MysqlFacts) -> Iterator[tuple[str, str]]:
    """Yield what keeps a follower from working, each with its fix."""
    server = facts.server
    if not _is_on(server.get("log_bin", "")):
        yield (
            "the server keeps no binary log",
            "log_bin, server_id = 1 and binlog_format = ROW in the server's configuration, and "
            "restart it",
        )
    binlog_format = server.get("binlog_format", "ROW").upper()
    if binlog_format != "ROW":
        yield (
            f"binlog_format is {binlog_format}: each statement would have a table compared as a "
            "whole",
            "SET GLOBAL binlog_format = ROW, and put it into the server's configuration too",
        )
    if server.get("server_id", "1") == "0":
        yield "server_id is 0, so the server sends its log to nobody", "SET GLOBAL server_id = 1"
    held = {
        privilege
        for grant in parse_grants(facts.grants)
        if grant.target == "*.*" and not grant.is_revoke
        for privilege in grant.privileges
    }
    if not held & {"ALL PRIVILEGES", "SUPER"}:
        needed = (
            ("REPLICATION SLAVE", {"REPLICATION SLAVE"}),
            ("REPLICATION CLIENT", {"REPLICATION CLIENT", "BINLOG MONITOR"}),
        )
        lacking = [name for name, names in needed if not held & names]
        if lacking:
            yield f"the user lacks {' and '.join(lacking)}", grant_log(facts.user)


def _is_on(value: str) -> bool:
    return value.upper() in ("ON", "1")


def _hours_kept(facts: MysqlFacts) -> float | None:
    """Return for how long the server keeps its log; None for ever."""
    seconds = float(facts.server.get("binlog_expire_logs_seconds", "0") or 0)
    seconds = seconds or 86_400 * float(facts.server.get("expire_logs_days", "0") or 0)
    return seconds / 3600 if seconds else None


def _retention(facts: MysqlFacts) -> str:
    """Return the assignment that keeps the log for three days."""
    has_seconds = "binlog_expire_logs_seconds" in facts.server
    # The others are MariaDB before 10.6, and MySQL 5.7.
    return "binlog_expire_logs_seconds = 259200" if has_seconds else "expire_logs_days = 3"
