"""Each check of the doctor: a test breaks exactly that thing, and nothing else is amiss."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.cli.doctor import line, summary
from etl_pipeline.config import FileConfigProvider
from etl_pipeline.config.databases import DatabaseType
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.grants import privileges_on
from etl_pipeline.setup import facts as facts_module
from etl_pipeline.setup.checks import judge_analytics, judge_replication, judge_source
from etl_pipeline.setup.doctor import examine
from etl_pipeline.transfer import kernel
from tests.conftest import open_lab
from tests.rows import make_table, run_sql
from tests.transfer.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl_pipeline.demo.servers import Servers
    from etl_pipeline.setup.finding import Finding
    from tests.conftest import Lab

SOURCE, REPLICATION, ANALYTICS = (
    "TEST_OPENDENTAL_SOURCE",
    "TEST_MYSQL_REPLICATION",
    "TEST_POSTGRES_ANALYTICS",
)
PATIENT = "CREATE TABLE patient (PatNum bigint PRIMARY KEY)"
CHECKS = [
    "kernel",
    "environment",
    "files",
    "environments",
    "source",
    "source.version",
    "source.tls",
    "source.time_zone",
    "source.character_set",
    "source.sql_mode",
    "source.wait_timeout",
    "source.clock",
    "source.privileges",
    "source.log",
    "replication",
    "replication.version",
    "replication.tls",
    "replication.time_zone",
    "replication.character_set",
    "replication.sql_mode",
    "replication.local_infile",
    "replication.max_allowed_packet",
    "replication.sql_require_primary_key",
    "replication.wait_timeout",
    "replication.clock",
    "replication.privileges",
    "separation",
    "analytics",
    "analytics.version",
    "analytics.tls",
    "analytics.time_zone",
    "analytics.character_set",
    "analytics.clock",
    "analytics.privileges",
    "analytics.state",
    "analytics.schema",
    "origin",
    "tables",
]


@pytest.fixture(scope="module")
def lab(servers: Servers) -> Iterator[Lab]:
    """One for all tests here: each mends what it breaks."""
    with open_lab(servers) as lab:
        make_table(lab.source, PATIENT)
        yield lab


@pytest.fixture(scope="module")
def facts(lab: Lab) -> dict[str, Any]:
    """Of the three servers."""
    return {place.value: read_facts(lab, place) for place in DatabaseType}


@pytest.fixture
def folder(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ETL_ENVIRONMENT", "test")
    return lab.write_config(tmp_path)


def find(folder: Path) -> dict[str, Finding]:
    """What is amiss, by check; what was skipped is left out."""
    findings = list(examine(FileConfigProvider(folder)))
    assert all(finding.fix for finding in findings if finding.result in ("warning", "failed"))
    return {one.check: one for one in findings if one.result in ("warning", "failed")}


def test_a_healthy_environment(folder: Path, lab: Lab) -> None:
    findings = list(examine(FileConfigProvider(folder)))
    assert [finding.check for finding in findings] == CHECKS
    shown = "\n".join([*(line(finding) for finding in findings), summary(findings)])
    assert not any(lab.env[f"{prefix}_PASSWORD"] in shown for prefix in (SOURCE, ANALYTICS))
    assert {finding.result for finding in findings} == {"ok"}


# What a check says when its thing is broken at a real server or in a real file.


@contextmanager
def _setting(lab: Lab, place: str, name: str, value: str) -> Iterator[None]:
    """A global variable of a MySQL server, for a block."""
    connection = getattr(lab, place)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@GLOBAL.{name}")
        before = cursor.fetchone()[0]
        try:
            cursor.execute(f"SET GLOBAL {name} = {value}")
            yield
        finally:
            cursor.execute(f"SET GLOBAL {name} = %s", [before])


@contextmanager
def _no_environment(lab: Lab, folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ETL_ENVIRONMENT")
        yield


@contextmanager
def _broken_yaml(lab: Lab, folder: Path) -> Iterator[None]:
    (folder / "pipeline.yml").write_text("general: [")
    yield


@contextmanager
def _open_file(lab: Lab, folder: Path) -> Iterator[None]:
    (folder / ".env_test").chmod(0o644)
    yield


@contextmanager
def _no_kernel(lab: Lab, folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "IS_COMPILED", False)
        yield


@contextmanager
def _production_is_test(lab: Lab, folder: Path) -> Iterator[None]:
    """Production's warehouse is test's, by another name of the host."""
    values = {
        "HOST": "localhost",
        "PORT": lab.env[f"{ANALYTICS}_PORT"],
        "DB": lab.env[f"{ANALYTICS}_DB"],
    }
    path = folder / ".env_production"
    path.touch(mode=0o600)
    path.write_text("".join(f"POSTGRES_ANALYTICS_{key}={value}\n" for key, value in values.items()))
    yield


def _with_env(**changes: str) -> Callable[[Lab, Path], Any]:
    @contextmanager
    def change(lab: Lab, folder: Path) -> Iterator[None]:
        replace(lab, env={**lab.env, **changes}).write_config(folder)
        yield

    return change


@contextmanager
def _same_server(lab: Lab, folder: Path) -> Iterator[None]:
    """Replication is the source, by way of a port that is passed on."""
    database, user = lab.env[f"{SOURCE}_DB"], f"w_{secrets.token_hex(4)}"
    proxy = Proxy(lab.servers.source.host, lab.servers.source.port)
    try:
        run_sql(
            lab.source,
            f"CREATE USER {user} IDENTIFIED BY 'x'",
            f"GRANT ALL ON `{database}`.* TO {user}",
        )
        values = {"PORT": str(proxy.port), "DB": database, "USER": user, "PASSWORD": "x"}
        env = {f"{REPLICATION}_{key}": value for key, value in values.items()}
        with _with_env(**env)(lab, folder):
            yield
    finally:
        run_sql(lab.source, f"DROP USER {user}")
        proxy.close()


def _with_pool_recycle(place: str) -> Callable[[Lab, Path], Any]:
    @contextmanager
    def change(lab: Lab, folder: Path) -> Iterator[None]:
        lab.write_config(folder, pipeline={"connections": {place: {"pool_recycle": 10**6}}})
        yield

    return change


def _at(place: str, broken: str, corrections: str) -> Callable[[Lab, Path], Any]:
    """Statements of an administrator, apart by ``;``, before and after a block."""

    def execute(lab: Lab, statements: str) -> None:
        names = {
            "source": (lab.env[f"{SOURCE}_DB"], lab.env[f"{SOURCE}_USER"]),
            "replication": (
                lab.env[f"{REPLICATION}_DB"].replace("_", r"\_"),
                lab.env[f"{REPLICATION}_USER"],
            ),
            "analytics": (lab.env[f"{ANALYTICS}_DB"], lab.env[f"{ANALYTICS}_USER"]),
        }
        database, user = names[place]
        for statement in statements.format(database=database, user=user).split(";"):
            if place == "analytics":
                lab.analytics.execute(statement.encode())
            else:
                run_sql(getattr(lab, place), statement)

    @contextmanager
    def change(lab: Lab, folder: Path) -> Iterator[None]:
        try:
            execute(lab, broken)
            yield
        finally:
            execute(lab, corrections)

    return change


_writing_reader = _at(
    "source",
    "GRANT INSERT, DELETE, ALTER ON `{database}`.* TO `{user}`",
    "REVOKE INSERT, DELETE, ALTER ON `{database}`.* FROM `{user}`",
)
_no_replica = _at(
    "source",
    "REVOKE REPLICATION SLAVE ON *.* FROM `{user}`",
    "GRANT REPLICATION SLAVE ON *.* TO `{user}`",
)
_weak_writer = _at(
    "replication",
    "REVOKE ALL PRIVILEGES ON `{database}`.* FROM `{user}`;"
    "GRANT SELECT, INSERT ON `{database}`.* TO `{user}`",
    "GRANT ALL PRIVILEGES ON `{database}`.* TO `{user}`",
)
_weak_loader = _at(
    "analytics",
    'ALTER DATABASE "{database}" OWNER TO CURRENT_USER',
    'ALTER DATABASE "{database}" OWNER TO "{user}"',
)
_no_temporary_tables = _at(
    "analytics",
    'ALTER DATABASE "{database}" OWNER TO CURRENT_USER;'
    'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC;'
    'GRANT CREATE ON DATABASE "{database}" TO "{user}"',
    'ALTER DATABASE "{database}" OWNER TO "{user}"',
)
_foreign_schema = _at("analytics", "CREATE SCHEMA raw", "DROP SCHEMA raw")
_newer_state = _at(
    "analytics",
    'CREATE SCHEMA etl AUTHORIZATION "{user}";'
    "CREATE TABLE etl.version AS SELECT 999 AS version;"
    'GRANT SELECT ON etl.version TO "{user}"',
    "DROP SCHEMA etl CASCADE",
)
_nothing_to_read = _at("source", "DROP TABLE patient", PATIENT)


@contextmanager
def _other_encoding(lab: Lab, folder: Path) -> Iterator[None]:
    database, user = f"{lab.env[f'{ANALYTICS}_DB']}_old", lab.env[f"{ANALYTICS}_USER"]
    lab.analytics.execute(
        f'CREATE DATABASE "{database}" OWNER "{user}" TEMPLATE template0 '
        "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'".encode()
    )
    try:
        with _with_env(**{f"{ANALYTICS}_DB": database})(lab, folder):
            yield
    finally:
        lab.analytics.execute(f'DROP DATABASE "{database}"'.encode())


def _server(place: str, name: str, value: str) -> Callable[[Lab, Path], Any]:
    return lambda lab, folder: _setting(lab, place, name, value)


@contextmanager
def _copy_of_another(lab: Lab, _folder: Path) -> Iterator[None]:
    """A warehouse that another practice's run has filled."""
    lab.analytics.execute("CREATE SCHEMA etl")
    make = resources.files("etl_pipeline.state").joinpath("warehouse.sql").read_bytes()
    lab.analytics.execute(make)
    lab.analytics.execute("INSERT INTO etl.origin (server, database_name) VALUES ('uuid', 'od')")
    lab.analytics.execute(
        "INSERT INTO etl.chunk VALUES ('patient', 0, NULL, NULL, 9, '', 0, now(), 1, true)"
    )
    lab.analytics.execute(
        f"GRANT USAGE ON SCHEMA etl TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA etl TO PUBLIC;"
        f'ALTER SCHEMA etl OWNER TO "{lab.env[f"{ANALYTICS}_USER"]}"'.encode()
    )
    try:
        yield
    finally:
        lab.analytics.execute("DROP SCHEMA etl CASCADE")


@contextmanager
def _hidden_column(lab: Lab, _folder: Path) -> Iterator[None]:
    """A reader with a grant on some columns of a table."""
    database, user = lab.env[f"{SOURCE}_DB"], lab.env[f"{SOURCE}_USER"]
    pattern = database.replace("_", r"\_")
    run_sql(
        lab.source,
        "CREATE TABLE visit (id int PRIMARY KEY, note text)",
        f"REVOKE SELECT ON `{pattern}`.* FROM `{user}`@`%`",
        f"GRANT SELECT ON `{database}`.patient TO `{user}`@`%`",
        f"GRANT SELECT (id) ON `{database}`.visit TO `{user}`@`%`",
    )
    try:
        yield
    finally:
        run_sql(
            lab.source,
            "DROP TABLE visit",
            f"REVOKE SELECT ON `{database}`.patient FROM `{user}`@`%`",
            f"REVOKE SELECT (id) ON `{database}`.visit FROM `{user}`@`%`",
            f"GRANT SELECT ON `{pattern}`.* TO `{user}`@`%`",
        )


@contextmanager
def _lost_grant(lab: Lab, folder: Path) -> Iterator[None]:
    """Tables that tables.yml names, and of which the reader may read one."""
    with _hidden_column(lab, folder):
        user, database = lab.env[f"{SOURCE}_USER"], lab.env[f"{SOURCE}_DB"]
        run_sql(lab.source, f"REVOKE SELECT (id) ON `{database}`.visit FROM `{user}`@`%`")
        lab.write_config(folder, tables={"tables": {"patient": {}, "visit": {}}})
        try:
            yield
        finally:
            run_sql(lab.source, f"GRANT SELECT (id) ON `{database}`.visit TO `{user}`@`%`")


LATE = '"SET timestamp = UNIX_TIMESTAMP() - 600"'
Broken = tuple[str, str, "Callable[[Lab, Path], Any]"]
BROKEN: list[Broken] = [
    ("environment", "failed", _no_environment),
    ("files", "failed", _broken_yaml),
    ("files", "warning", _open_file),
    ("kernel", "warning", _no_kernel),
    ("environments", "failed", _production_is_test),
    ("source", "failed", _with_env(**{f"{SOURCE}_PASSWORD": "wrong"})),
    ("source", "failed", _with_env(**{f"{SOURCE}_HOST": ""})),
    ("replication", "failed", _with_env(**{f"{REPLICATION}_PORT": "1"})),
    ("analytics", "failed", _with_env(**{f"{ANALYTICS}_DB": "no_such_database"})),
    ("separation", "failed", _same_server),
    ("origin", "failed", _copy_of_another),
    ("tables", "failed", _hidden_column),
    ("tables", "failed", _lost_grant),
    ("analytics.schema", "failed", _with_env(**{f"{ANALYTICS}_SCHEMA": "marts"})),
    ("source.wait_timeout", "warning", _with_pool_recycle("source")),
    ("replication.wait_timeout", "warning", _with_pool_recycle("replication")),
    ("source.clock", "warning", _server("source", "init_connect", LATE)),
    ("replication.clock", "warning", _server("replication", "init_connect", LATE)),
    ("replication.local_infile", "warning", _server("replication", "local_infile", "OFF")),
    (
        "replication.max_allowed_packet",
        "warning",
        _server("replication", "max_allowed_packet", "1048576"),
    ),
    ("source.privileges", "warning", _writing_reader),
    ("source.privileges", "failed", _nothing_to_read),
    ("source.log", "warning", _server("source", "binlog_expire_logs_seconds", "3600")),
    ("replication.privileges", "failed", _weak_writer),
    ("analytics.privileges", "failed", _weak_loader),
    ("analytics.privileges", "failed", _no_temporary_tables),
    ("analytics.privileges", "failed", _foreign_schema),
    ("analytics.state", "failed", _newer_state),
    ("analytics.character_set", "failed", _other_encoding),
]


@pytest.mark.parametrize(
    ("check", "result", "broken"), BROKEN, ids=[f"{b[0]}-{b[1]}" for b in BROKEN]
)
def test_what_is_broken_is_found_and_nothing_else(
    folder: Path, lab: Lab, check: str, result: str, broken: Callable[[Lab, Path], Any]
) -> None:
    with broken(lab, folder):
        found = find(folder)
    assert {name: one.result for name, one in found.items()} == {check: result}


@pytest.mark.parametrize(
    ("what", "broken"),
    [
        ("lacks REPLICATION SLAVE", _no_replica),
        ("binlog_format is MIXED", _server("source", "binlog_format", "MIXED")),
    ],
)
def test_what_etl_follow_lacks_is_no_fault_of_a_run(
    folder: Path, lab: Lab, what: str, broken: Callable[[Lab, Path], Any]
) -> None:
    with broken(lab, folder):
        (found,) = (f for f in examine(FileConfigProvider(folder)) if f.check == "source.log")
        assert found.result == "skipped"
        assert what in found.what
        if "REPLICATION" in what:
            run_sql(lab.source, found.fix or "")
            assert find(folder) == {}


# What no test can break at a server: the facts of a real one, with one of them changed.

SESSION: dict[str, dict[str, str]] = {
    "time_zone": {"time_zone": "SYSTEM"},
    "character_set": {"character_set_results": "latin1"},
    "sql_mode": {"sql_mode": "NO_BACKSLASH_ESCAPES"},
}
CHANGED: list[tuple[str, str, dict[str, Any]]] = [
    *(
        (f"{place}.{check}", "failed", {"session": change})
        for place in ("source", "replication")
        for check, change in SESSION.items()
    ),
    (
        "replication.sql_require_primary_key",
        "warning",
        {"session": {"sql_require_primary_key": "ON"}},
    ),
    ("source.version", "failed", {"version": "5.6.51-log"}),
    ("replication.version", "failed", {"version": "10.0.38-MariaDB-log"}),
    ("analytics.version", "failed", {"version": "13.9 (Debian)", "version_number": 130009}),
    ("analytics.time_zone", "failed", {"time_zone": "America/Chicago"}),
    ("analytics.clock", "warning", {"clock_seconds": -61.0}),
    *(
        (f"{place}.tls", "warning", {"host": "db.example.com"})
        for place in ("source", "replication", "analytics")
    ),
]


@pytest.mark.parametrize(("check", "result", "changes"), CHANGED, ids=[c[0] for c in CHANGED])
def test_what_is_broken_far_away_is_found_and_nothing_else(
    facts: dict[str, Any], check: str, result: str, changes: dict[str, Any]
) -> None:
    place = check.split(".")[0]
    real = facts[place]
    merged = {
        key: {**getattr(real, key), **value} if isinstance(value, dict) else value
        for key, value in changes.items()
    }
    judge: Any = {"source": judge_source, "analytics": judge_analytics}.get(
        place, lambda facts: judge_replication(facts, None)
    )
    assert {one.check for one in judge(real) if one.result != "ok"} == set()
    amiss = {one.check: one.result for one in judge(replace(real, **merged)) if one.result != "ok"}
    assert amiss == {check: result}


def read_facts(lab: Lab, place: DatabaseType) -> object:
    connect: Any = getattr(ConnectionFactory, f"get_{place.value}_connection")
    engine = connect(lab.settings)
    try:
        if place is DatabaseType.ANALYTICS:
            return facts_module.read_postgres(engine, "raw")
        return facts_module.read_mysql(engine)
    finally:
        engine.dispose()


def test_every_check_is_broken_by_a_test() -> None:
    assert {b[0] for b in BROKEN} | {c[0] for c in CHANGED} == set(CHECKS)


@pytest.mark.parametrize(
    "broken", [_weak_writer, _weak_loader, _no_temporary_tables, _foreign_schema]
)
def test_the_grant_that_is_shown_suffices(
    folder: Path, lab: Lab, broken: Callable[[Lab, Path], Any]
) -> None:
    with broken(lab, folder):
        ((_, finding),) = find(folder).items()
        assert finding.fix
        if finding.check.startswith("replication"):
            run_sql(lab.replication, finding.fix)
        else:
            lab.analytics.execute(finding.fix.encode())
        assert find(folder) == {}


def test_the_grant_for_the_source_is_less_than_it_warns_of(folder: Path, lab: Lab) -> None:
    user = lab.env[f"{SOURCE}_USER"]
    with _writing_reader(lab, folder):
        grant = (find(folder)["source.privileges"].fix or "").partition(": ")[2]
        run_sql(lab.source, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM `{user}`", grant)
        assert find(folder) == {}
        run_sql(
            lab.source, f"GRANT INSERT, DELETE, ALTER ON `{lab.env[f'{SOURCE}_DB']}`.* TO `{user}`"
        )


@pytest.mark.parametrize(
    ("grant", "held"),
    [
        (r"GRANT SELECT, INSERT ON `a\_b`.* TO `u`@`%`", {"SELECT", "INSERT"}),
        ("GRANT SELECT ON `a_b`.* TO `u`@`%`", {"SELECT"}),
        ("GRANT ALL PRIVILEGES ON *.* TO `u`@`%` WITH GRANT OPTION", {"ALL PRIVILEGES"}),
        ("GRANT SELECT ON `a%`.* TO `u`@`%`", {"SELECT"}),
        (r"GRANT SELECT ON `a\_c`.* TO `u`@`%`", set()),
        (r"GRANT SELECT ON `a\%`.* TO `u`@`%`", set()),
        ("GRANT SELECT ON `a_b`.`patient` TO `u`@`%`", set()),
        ("GRANT `role` TO `u`@`%`", set()),
    ],
)
def test_grants_are_patterns(grant: str, held: set[str]) -> None:
    assert privileges_on((grant,), "a_b") == held
