"""Texts of the files that ``etl init`` writes and of the schedules that it prints (no I/O)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from etl_pipeline.config.databases import (
    DEFAULT_PORTS,
    ENV_MAPPINGS,
    ENVIRONMENT_VARIABLE,
    DatabaseType,
)
from etl_pipeline.core.grant_statements import grant_analytics, grant_replication, grant_source

GITIGNORE = """\
# The .env_… files hold passwords.
.env_*
.pgpass
"""

EXAMPLE = """\
-- A model of your own: `etl transform` builds it after what it reads.
-- Take enabled=false away to try it.
{{ config(enabled=false, schema='custom', materialized='view') }}

select month_start, sum(net_production) as net_production
from {{ ref('provider_performance') }}
group by month_start
"""

_ANSWERS = {
    DatabaseType.SOURCE: (
        "The practice's database. A user who may only read suffices; as an administrator there:",
        "CREATE USER etl_reader IDENTIFIED BY '…'",
        grant_source("opendental", "etl_reader"),
    ),
    DatabaseType.REPLICATION: (
        "Our copy in MySQL or MariaDB: another server, or another database of that one.",
        "CREATE DATABASE opendental_replication CHARACTER SET utf8mb4",
        "CREATE USER etl_writer IDENTIFIED BY '…'",
        grant_replication("opendental_replication", "etl_writer"),
    ),
    DatabaseType.ANALYTICS: (
        "The warehouse in PostgreSQL.",
        "CREATE DATABASE opendental_analytics ENCODING 'UTF8' TEMPLATE template0",
        "CREATE ROLE etl_loader LOGIN PASSWORD '…'",
        grant_analytics("opendental_analytics", "etl_loader"),
    ),
}
"""For each database a sentence, and the statements that make it and its user."""
_PLAIN = re.compile(r"[\w./:@%+,=-]+", re.ASCII)


def env_text(environment: str, values: Mapping[str, str]) -> str:
    """Return the text of ``.env_<environment>`` with *values*, and gaps for those not known."""
    lines = [
        f"# Where the three databases of the environment {environment} are.",
        "# Fill in what stands behind the = signs, then: etl doctor",
        "# A value in single quotes may hold any character; write \\' for ' and \\\\ for \\.",
        f"{ENVIRONMENT_VARIABLE}={environment}",
    ]
    for db_type, names in ENV_MAPPINGS[environment].items():
        title, *statements = _ANSWERS[db_type]
        lines += ["", f"# {title}", *(f"#   {statement};" for statement in statements)]
        for key, name in names.items():
            value = values.get(name, "")
            if key == "port" and not value:
                value = str(DEFAULT_PORTS[db_type])
            if key == "schema" and not value:
                value = "raw"
            is_optional = key.startswith("ssl_") and not value
            lines.append(f"{'# ' if is_optional else ''}{name}={quote_value(value)}")
    return "\n".join(lines) + "\n"


def quote_value(value: str) -> str:
    """Quote *value* for an ``.env_…`` file, so that it is read back unchanged."""
    if not value or _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def schedule_text(program: str, folder: str, environment: str, user: str) -> str:
    """Return systemd's service and timer, and a line of cron, for a run every night; or a follower.

    Args:
        program: Absolute path of ``etl``.
        folder: Absolute path of the configuration.
        environment: ``production`` or ``test``.
        user: The account that runs it; no other can read the ``.env_…`` file.
    """
    name = f"etl-{environment}"
    variables = {"ETL_ENVIRONMENT": environment, "ETL_CONFIG_DIR": folder}
    settings = "\n".join(
        f"Environment={_unit(f'{key}={value}')}" for key, value in variables.items()
    )
    cron = " ".join(f"{key}={shlex.quote(value)}" for key, value in variables.items())
    line = f"{cron} {shlex.quote(program)} run --quiet".replace("%", r"\%")
    return f"""\
# Every night at 02:15, by systemd. /etc/systemd/system/{name}.service:

[Unit]
Description=Bring the practice's rows to the warehouse ({environment})
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
{settings}
ExecStart={_unit(program).replace("$", "$$")} run

# /etc/systemd/system/{name}.timer:

[Unit]
Description=Nightly run of {name}.service

[Timer]
OnCalendar=*-*-* 02:15:00
Persistent=true

[Install]
WantedBy=timers.target

# Then:

sudo systemctl daemon-reload
sudo systemctl enable --now {name}.timer
journalctl --unit {name}.service

# Or by cron, which mails what a run prints: nothing of a success (crontab -e):

15 2 * * *  {line}

# Or a follower, seconds behind the practice, instead of the timer: etl doctor says whether the
# source can be followed. /etc/systemd/system/{name}-follow.service:

[Unit]
Description=Follow the practice by its binary log ({environment})
Wants=network-online.target
After=network-online.target

[Service]
User={user}
{settings}
ExecStart={_unit(program).replace("$", "$$")} follow
Restart=on-failure
RestartSec=30
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target

# Then:

sudo systemctl daemon-reload
sudo systemctl enable --now {name}-follow.service
journalctl --follow --unit {name}-follow.service
"""


def _unit(word: str) -> str:
    """Quote *word* as one word of a systemd unit."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", word) else escaped
