"""The checks of ``etl doctor``: facts in, one finding with its fix for each check out (no I/O)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from etl_pipeline.config.resolve import is_this_machine
from etl_pipeline.core.encoding import explain_encoding
from etl_pipeline.core.server_version import is_mariadb
from etl_pipeline.errors import EtlError
from etl_pipeline.formatting import count_of
from etl_pipeline.setup.facts import MysqlFacts, PostgresFacts
from etl_pipeline.setup.finding import Finding, make_finding
from etl_pipeline.setup.log_check import judge_log
from etl_pipeline.setup.privileges import (
    judge_analytics_privileges,
    judge_replication_privileges,
    judge_source_privileges,
)
from etl_pipeline.state.warehouse import VERSION as STATE_VERSION

CLOCK_SECONDS = 10.0
"""Largest accepted difference of two clocks; beyond it, times in logs are hard to compare."""
LEAST_POSTGRES = 14
SERVER_PACKET = 16 << 20
_UTC = ("+00:00", "UTC")
_DIRECTLY = "connect directly: a proxy or pooler on the way changes the session's settings"
_REPLICATION_MODES = ("NO_AUTO_VALUE_ON_ZERO", "STRICT_ALL_TABLES", "ALLOW_INVALID_DATES")


def judge_source(facts: MysqlFacts) -> list[Finding]:
    """Return the findings on the source."""
    return [
        _version(facts, "source"),
        _tls("source", facts.host, facts.tls, "required"),
        _time_zone(facts, "source"),
        _character_set(facts, "source"),
        _sql_mode(facts, "source", wanted=(), is_exact=True),
        _wait_timeout("source", facts.recycle_seconds, float(facts.session["wait_timeout"])),
        _clock("source", facts.clock_seconds),
        judge_source_privileges(facts),
        judge_log(facts),
    ]


def judge_replication(facts: MysqlFacts, source: MysqlFacts | None) -> list[Finding]:
    """Return the findings on replication; *source* is None if it could not be read."""
    return [
        _version(facts, "replication"),
        _tls("replication", facts.host, facts.tls, "required"),
        _time_zone(facts, "replication"),
        _character_set(facts, "replication"),
        _sql_mode(facts, "replication", wanted=_REPLICATION_MODES, is_exact=False),
        _local_infile(facts),
        _packet(facts, source),
        _primary_key(facts),
        _wait_timeout("replication", facts.recycle_seconds, float(facts.session["wait_timeout"])),
        _clock("replication", facts.clock_seconds),
        judge_replication_privileges(facts),
    ]


def judge_analytics(facts: PostgresFacts) -> list[Finding]:
    """Return the findings on the warehouse."""
    return [
        _postgres_version(facts),
        _tls("analytics", facts.host, facts.tls, "require"),
        make_finding(
            "analytics.time_zone",
            facts.time_zone in _UTC,
            f"the session's is {facts.time_zone}",
            _DIRECTLY,
        ),
        _encoding(facts),
        _clock("analytics", facts.clock_seconds),
        judge_analytics_privileges(facts),
        _state(facts),
    ]


_TABLES_NAMED = 3


def judge_tables(refusals: Sequence[EtlError], carried: int) -> Finding:
    """Return the finding on the tables.

    Args:
        refusals: An error for each table that would fail in a run.
        carried: Number of tables that would not.
    """
    if not refusals:
        count = count_of(carried, "table")
        return Finding("tables", "ok", f"{count}, and the user may read all of each")
    shown = "; ".join(f"{refusal.where}: {refusal.what}" for refusal in refusals[:_TABLES_NAMED])
    rest = len(refusals) - _TABLES_NAMED
    more = f"; and {rest} more" if rest > 0 else ""
    others = "    (etl plan shows all)" if len(refusals) > 1 else ""
    return Finding(
        "tables",
        "failed",
        f"{len(refusals)} of {carried + len(refusals)} would fail: {shown}{more}",
        f"{refusals[0].fix}{others}",
    )


def _version(facts: MysqlFacts, name: str) -> Finding:
    numbers = tuple(int(part) for part in re.findall(r"\d+", facts.version)[:3])
    product = "MariaDB" if is_mariadb(facts.version) else "MySQL"
    return make_finding(
        f"{name}.version",
        numbers >= ((10, 1) if product == "MariaDB" else (5, 7, 8)),
        f"{product} {'.'.join(map(str, numbers))}",
        "use MariaDB 10.1, MySQL 5.7.8 or later",
    )


def _postgres_version(facts: PostgresFacts) -> Finding:
    return make_finding(
        "analytics.version",
        facts.version_number >= LEAST_POSTGRES * 10_000,
        f"PostgreSQL {facts.version.split()[0]}",
        f"use PostgreSQL {LEAST_POSTGRES} or later",
    )


def _tls(name: str, host: str, tls: str | None, mode: str) -> Finding:
    if tls:
        return Finding(f"{name}.tls", "ok", f"encrypted, {tls}")
    is_here = is_this_machine(host)
    where = "not encrypted, and does not leave this machine" if is_here else "not encrypted"
    return make_finding(
        f"{name}.tls",
        is_here,
        where,
        f"turn TLS on at the server, and set connections.{name}.ssl_mode: {mode} in pipeline.yml",
        otherwise="warning",
    )


def _time_zone(facts: MysqlFacts, name: str) -> Finding:
    server = facts.server["time_zone"]
    if server == "SYSTEM":
        server = facts.server.get("system_time_zone", server)
    zone = facts.session["time_zone"]
    return make_finding(
        f"{name}.time_zone",
        zone in _UTC,
        f"the session's is {zone}, the server's {server}",
        _DIRECTLY,
    )


def _character_set(facts: MysqlFacts, name: str) -> Finding:
    keys = ("character_set_client", "character_set_connection", "character_set_results")
    sets = sorted({facts.session[key] for key in keys})
    database = facts.session["character_set_database"]
    return make_finding(
        f"{name}.character_set",
        sets == ["utf8mb4"],
        f"the session's is {', '.join(sets)}, the database's {database}",
        _DIRECTLY,
    )


def _sql_mode(facts: MysqlFacts, name: str, *, wanted: tuple[str, ...], is_exact: bool) -> Finding:
    modes = {mode for mode in facts.session["sql_mode"].split(",") if mode}
    lacking = set(wanted) - modes
    extra = modes - set(wanted) if is_exact else modes & {"NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"}
    what = f"the session's is {','.join(sorted(modes)) or 'empty'}"
    if lacking or extra:
        named = [f"{mode} is missing" for mode in sorted(lacking)]
        named += [f"{mode} must not be set" for mode in sorted(extra)]
        what = f"in the session {', '.join(named)}"
    return make_finding(
        f"{name}.sql_mode",
        not (lacking or extra),
        what,
        _DIRECTLY,
    )


def _local_infile(facts: MysqlFacts) -> Finding:
    is_on = facts.server["local_infile"].upper() in ("ON", "1")
    return make_finding(
        "replication.local_infile",
        is_on,
        "on" if is_on else "off: rows are sent by INSERT, which is slower",
        "SET GLOBAL local_infile = ON, and put it into the server's configuration too",
        otherwise="warning",
    )


def _packet(facts: MysqlFacts, source: MysqlFacts | None) -> Finding:
    ours = int(facts.session["max_allowed_packet"])
    needed = int(source.server["max_allowed_packet"]) if source else SERVER_PACKET
    what = f"{_megabytes(ours)}"
    if ours < needed:
        what += f", less than the source's {_megabytes(needed)}: its largest rows may not fit"
    return make_finding(
        "replication.max_allowed_packet",
        ours >= needed,
        what,
        f"SET GLOBAL max_allowed_packet = {needed}, and put it into the server's configuration too",
        otherwise="warning",
    )


def _megabytes(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MB" if count >= 1 << 20 else f"{count / 1024:,.0f} kB"


def _primary_key(facts: MysqlFacts) -> Finding:
    is_required = facts.session.get("sql_require_primary_key", "OFF").upper() in ("ON", "1")
    return make_finding(
        "replication.sql_require_primary_key",
        not is_required,
        "on: tables without a primary key are refused" if is_required else "off",
        "SET GLOBAL sql_require_primary_key = OFF, or exclude such tables",
        otherwise="warning",
    )


def _wait_timeout(name: str, recycle_seconds: int, wait_seconds: float) -> Finding:
    return make_finding(
        f"{name}.wait_timeout",
        wait_seconds > recycle_seconds,
        f"the server ends idle sessions after {wait_seconds:,.0f} s, we renew ours after "
        f"{recycle_seconds:,} s",
        f"set connections.{name}.pool_recycle: {max(1, int(wait_seconds / 2))} in pipeline.yml",
        otherwise="warning",
    )


def _clock(name: str, ahead_seconds: float) -> Finding:
    apart = abs(ahead_seconds)
    direction = "ahead of" if ahead_seconds > 0 else "behind"
    is_good = apart <= CLOCK_SECONDS
    return make_finding(
        f"{name}.clock",
        is_good,
        "as ours" if is_good else f"{apart:,.0f} s {direction} ours",
        "let both machines take their time from NTP",
        otherwise="warning",
    )


def _encoding(facts: PostgresFacts) -> Finding:
    check = "analytics.character_set"
    error = explain_encoding(facts.encoding, facts.database)
    if error is None:
        return Finding(check, "ok", f"the database's is {facts.encoding}")
    return Finding(check, "failed", error.what, error.fix or "")


def _state(facts: PostgresFacts) -> Finding:
    found = facts.state_version
    if found is None:
        return Finding("analytics.state", "ok", "none yet; the first run makes it in schema etl")
    return make_finding(
        "analytics.state",
        found <= STATE_VERSION,
        f"version {found}, this program knows {STATE_VERSION}",
        "install the newer etl_pipeline that wrote it",
    )


def judge_separation(mine: Mapping[str, Places], other: Mapping[str, Places]) -> list[str]:
    """Return a phrase for each database that both environments use.

    For example ``replication is also source there``. The databases are given by name.
    """
    return [
        f"{name} is also {its_name} there"
        for name, place in mine.items()
        for its_name, its_place in other.items()
        if place and its_place and place & its_place
    ]


Places = frozenset[tuple[str, int, str]]
"""Address, port and database, once for each address that the host's name resolves to."""
