"""What a hostile or a hurried user meets: one line of what and where, one line of fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.demo.servers import Servers
from tests.cli.conftest import PASSWORD, ROW_VALUE, Cli, fill, open_cli, refuse_secrets
from tests.docs.pages import list_commands
from tests.expected import Expected
from tests.rows import make_table, run_sql

SOURCE, REPLICATION, ANALYTICS = (
    "TEST_OPENDENTAL_SOURCE",
    "TEST_MYSQL_REPLICATION",
    "TEST_POSTGRES_ANALYTICS",
)


@dataclass(frozen=True)
class Bad:
    """A way to go wrong.

    Attributes:
        files: Arguments of ``Cli.configure``; None writes no file at all.
        environment: Changes to the process environment.
    """

    name: str
    code: int = 2
    arguments: tuple[str, ...] = ("run",)
    files: dict[str, Any] | None = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)


def _each(name: str, key: str, value: str, code: int = 1) -> list[Bad]:
    """The same mistake with each of the three databases."""
    return [
        Bad(f"{name}_{which}", code, files={f"{prefix}_{key}": value})
        for which, prefix in (
            ("source", SOURCE),
            ("replication", REPLICATION),
            ("analytics", ANALYTICS),
        )
    ]


BAD = [
    Bad("no_environment", environment={"ETL_ENVIRONMENT": None}),
    Bad("empty_environment", environment={"ETL_ENVIRONMENT": ""}),
    Bad("unknown_environment", environment={"ETL_ENVIRONMENT": "prod"}),
    Bad("no_env_file", files=None),
    Bad("no_folder", environment={"ETL_CONFIG_DIR": "/no/such/folder"}),
    Bad("missing_value", files={f"{SOURCE}_HOST": None, f"{ANALYTICS}_DB": None}),
    Bad("empty_value", files={f"{REPLICATION}_USER": ""}),
    Bad("malformed_port", files={f"{SOURCE}_PORT": PASSWORD}),
    Bad("unknown_schema", files={f"{ANALYTICS}_SCHEMA": "rav"}),
    Bad("production_name_in_test", files={"OPENDENTAL_SOURCE_PASSWORD": PASSWORD}),
    Bad("misspelt_name", files={f"{SOURCE}_PASWORD": PASSWORD}),
    Bad("other_environment_in_file", files={"ETL_ENVIRONMENT": "production"}),
    Bad("broken_yaml", files={"pipeline": f"general:\n  parallel_tables: [{PASSWORD}\n"}),
    Bad("misspelt_keys", files={"pipeline": {"generl": {}}, "tables": {"tabels": {}}}),
    Bad("wrong_kind", files={"pipeline": {"general": {"parallel_tables": ROW_VALUE}}}),
    Bad(
        "small_pool",
        files={
            "pipeline": {
                "general": {"parallel_tables": 9},
                "connections": {"source": {"max_overflow": 0}},
            }
        },
    ),
    Bad("unknown_table", arguments=("run", "patients")),
    Bad("unknown_table_of_verify", arguments=("verify", "shetfield", "--deep")),
    Bad("table_like_no_other", arguments=("run", "zzzzzz")),
    Bad(
        "table_not_configured",
        arguments=("run", "codes"),
        files={
            "tables": {
                "tables": {"patient": {}},
            }
        },
    ),
    Bad("table_with_escapes", arguments=("run", "\x1b[2Jpatient\x07")),
    *_each("refused_login", "PASSWORD", PASSWORD + "!"),
    *_each("server_down", "PORT", "1"),
    *_each("wrong_database", "DB", "no_such_database"),
    Bad("unknown_option", arguments=("run", "--jsn")),
    Bad("importance_of_no_table", arguments=("run", "--importance", "critical")),
    Bad("unknown_importance", arguments=("plan", "--importance", "criticle")),
    Bad("one_hop_in_full", arguments=("run", "--full", "--only", "load")),
    Bad("unknown_table_of_plan", arguments=("plan", "patients")),
    Bad("unknown_table_of_discover", arguments=("discover", "patients")),
    Bad("schema_of_no_file", arguments=("config", "schema", "table")),
    Bad("wrong_url", arguments=("init", "x", "--from-url", f"mysql://u:{PASSWORD}@h/d", "h", "h")),
    Bad("urls_and_schedule", arguments=("init", "--schedule", "--from-url", "a", "b", "c")),
    Bad("option_of_another_command", arguments=("run", "--deep")),
    Bad("unknown_command", arguments=("rum",)),
    Bad("two_demo_ends", arguments=("demo", "--stop", "--remove")),
    Bad("demo_not_running", arguments=("demo", "--change", "--folder", "nowhere")),
    Bad("few_patients", arguments=("demo", "--patients", "3")),
    Bad("unknown_engine", arguments=("demo", "--engine", "Memory")),
]


@pytest.fixture(scope="module")
def shared(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """One practice for everything that never gets as far as changing it."""
    for cli in open_cli(servers, tmp_path_factory.mktemp("cli")):
        fill(cli.lab)
        yield cli


@pytest.fixture
def etl_in(shared: Cli, tmp_path: Path) -> Cli:
    return Cli(shared.lab, tmp_path, shared.env)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_one_says_what_is_wrong_and_how_to_fix_it(
    etl_in: Cli, expected: Expected, bad: Bad
) -> None:
    if bad.files is not None:
        etl_in.configure(**bad.files)
    ended = etl_in(*bad.arguments, **bad.environment)
    assert ended.code == bad.code
    assert ended.stdout == ""
    expected.check(f"bad_{bad.name}.txt", etl_in.mask(ended.stderr))
    debugged = etl_in(*bad.arguments, *_debug(bad), **bad.environment)
    assert debugged.code == bad.code
    assert ended.stderr.splitlines()[-1] in debugged.stderr


def _debug(bad: Bad) -> list[str]:
    return ["--debug"] if bad.arguments[0] in list_commands() else []


@pytest.mark.parametrize("command", ["run", "verify"])
def test_source_and_replication_the_same_database_is_refused(
    etl_in: Cli, expected: Expected, command: str
) -> None:
    source = {key: etl_in.env[f"{SOURCE}_{key}"] for key in ("HOST", "PORT", "DB")}
    etl_in.configure(**{f"{REPLICATION}_{key}": value for key, value in source.items()})
    ended = etl_in(command)
    assert ended.code == 2
    expected.check("bad_same_database.txt", etl_in.mask(ended.stderr))


def test_a_source_user_that_can_write_is_warned_of_and_used(etl: Cli, expected: Expected) -> None:
    env = etl.env
    run_sql(
        etl.lab.source,
        f"GRANT INSERT, UPDATE, DELETE, CREATE, DROP ON `{env[f'{SOURCE}_DB']}`.* "
        f"TO `{env[f'{SOURCE}_USER']}`@`%`",
    )
    ended = etl("run")
    assert ended.code == 0
    warning = [
        line for line in ended.stderr.splitlines(keepends=True) if not re.search(r" rows? ", line)
    ]
    expected.check("bad_writing_source_user.txt", etl.mask("".join(warning)))


def test_a_table_that_cannot_be_carried_fails_by_name_alone(etl: Cli, expected: Expected) -> None:
    make_table(etl.lab.source, "CREATE TABLE shapes (k int PRIMARY KEY, _etl_loaded_at int)")
    ended = etl("run")
    assert ended.code == 1
    expected.check("bad_refused_table.txt", etl.mask(ended.stdout))
    assert _count(etl, "patient") == 2


def test_a_raw_table_that_is_not_ours_fails_by_name_alone(etl: Cli, expected: Expected) -> None:
    user = etl.env[f"{ANALYTICS}_USER"]
    etl.lab.analytics.execute(f'CREATE SCHEMA raw AUTHORIZATION "{user}"'.encode())
    etl.lab.analytics.execute("CREATE TABLE raw.codes (mine integer)")
    ended = etl("run")
    assert ended.code == 1
    expected.check("bad_foreign_raw_table.txt", etl.mask(ended.stdout))
    assert _count(etl, "patient") == 2


@pytest.mark.parametrize("command", ["run", "verify"])
def test_an_empty_source_is_no_success(etl: Cli, expected: Expected, command: str) -> None:
    run_sql(etl.lab.source, "DROP TABLE patient, sheetfield, codes")
    ended = etl(command)
    assert ended.code == 2
    expected.check("bad_empty_source.txt", etl.mask(ended.stderr))


def test_a_user_that_may_create_nothing_is_told_the_grant(etl: Cli, expected: Expected) -> None:
    database = etl.env[f"{ANALYTICS}_DB"]
    etl.lab.analytics.execute(f'ALTER DATABASE "{database}" OWNER TO CURRENT_USER'.encode())
    ended = etl("run")
    assert ended.code == 1
    expected.check("bad_no_privilege.txt", etl.mask(ended.stderr))


def _fail_by_value(etl: Cli) -> None:
    """PostgreSQL will quote the row that it refuses: ``Failing row contains (...)``."""
    assert etl("run").code == 0
    etl.lab.analytics.execute(
        f"""ALTER TABLE raw.sheetfield ADD CHECK ("FieldValue" <> '{ROW_VALUE}') NOT VALID"""
    )
    run_sql(etl.lab.source, f"UPDATE sheetfield SET FieldValue = '{ROW_VALUE}'")


def test_a_refused_row_is_never_quoted(etl: Cli) -> None:
    _fail_by_value(etl)
    ended = etl("run")
    assert ended.code == 1
    assert "sheetfield: " in ended.stdout
    assert "23514" in ended.stdout


def test_a_closed_window_refuses_a_run_unless_it_is_told_otherwise(
    etl: Cli, expected: Expected
) -> None:
    hour = (datetime.now(UTC).hour + 12) % 24
    window = f"{hour:02}:00-{hour:02}:01 UTC"
    etl.configure(pipeline={"source": {"window": window}})
    ended = etl("run")
    assert (ended.code, ended.stdout) == (1, "")
    expected.check("bad_closed_window.txt", ended.stderr.replace(window, "WINDOW"))
    assert etl("run", "--outside-window").code == 0
    assert etl("verify").code == 0


def test_debug_shows_frames_and_numbers_of_a_failed_table(etl: Cli) -> None:
    _fail_by_value(etl)
    ended = etl("run", "--debug")
    assert ended.code == 1
    assert "in load_table" in ended.stderr
    assert "psycopg.errors.CheckViolation: 23514" in ended.stderr


def test_debug_shows_frames_and_numbers_of_a_failed_command(etl: Cli) -> None:
    etl.configure(TEST_OPENDENTAL_SOURCE_PASSWORD="wrong")
    ended = etl("run", "--debug")
    assert ended.code == 1
    assert "in _try_connection" in ended.stderr
    assert "pymysql.err.OperationalError: 1045" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("  fix: ")


def test_secrets_would_be_found() -> None:
    catch: Callable[[type[BaseException]], Any] = pytest.raises
    for text in (f"x{PASSWORD}", f"({ROW_VALUE})", "Traceback (most recent call last):"):
        with catch(AssertionError):
            refuse_secrets(text)


def _count(etl: Cli, table: str) -> int:
    row = etl.lab.analytics.execute(f"SELECT count(*) FROM raw.{table}".encode()).fetchone()
    assert row
    return int(row[0])
