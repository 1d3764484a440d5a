"""``etl plan``: it only reads, and a run does what it said."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.cli.screens.plan import plan_json, plan_screen
from etl_pipeline.errors import ConfigurationError, EtlError
from etl_pipeline.pipeline.dependents import find_models, read_models
from etl_pipeline.pipeline.plan import preview_run
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.replicate.strategy import Pass
from tests.conftest import servers_folder
from tests.rows import make_table, run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl_pipeline.pipeline.plan import TablePreview
    from tests.conftest import Lab
    from tests.expected import Expected

# With what the drivers send: savepoints around their questions, and an empty statement as a ping.
READS = re.compile(
    r"(SELECT|WITH|SHOW|BEGIN|ROLLBACK|COMMIT|START TRANSACTION|SET (?!GLOBAL|PERSIST)"
    r"|(RELEASE )?SAVEPOINT|RELEASE|;?$)",
    re.IGNORECASE,
)
STAMP = "timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp"


def fill(lab: Lab) -> None:
    make_table(
        lab.source,
        f"CREATE TABLE patient (PatNum bigint PRIMARY KEY, LName varchar(99), S {STAMP}, KEY (S)) "
        "COMMENT 'who'",
        "INSERT INTO patient (PatNum, LName) VALUES (1, 'a'), (2, 'b')",
    )
    make_table(lab.source, "CREATE TABLE codes (Code varchar(9) PRIMARY KEY, KEY (Code))")


class Heard:
    """What the three servers heard from the pipeline's users during a block."""

    def __init__(self) -> None:
        self.source: list[str] = []
        self.replication: list[str] = []
        self.analytics: list[str] = []


@contextlib.contextmanager
def listening(lab: Lab, log: Path) -> Iterator[Heard]:
    """General logs on, and ``log_statement`` at ``all`` for the role that the pipeline uses."""
    heard = Heard()
    role = lab.env["TEST_POSTGRES_ANALYTICS_USER"]
    users = {
        "source": lab.env["TEST_OPENDENTAL_SOURCE_USER"],
        "replication": lab.env["TEST_MYSQL_REPLICATION_USER"],
    }
    start = log.stat().st_size
    lab.analytics.execute(f"ALTER ROLE \"{role}\" SET log_statement = 'all'".encode())
    for place in users:
        run_sql(getattr(lab, place), "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
    try:
        yield heard
    finally:
        for place in users:
            run_sql(getattr(lab, place), "SET GLOBAL general_log = OFF, GLOBAL log_output = 'FILE'")
        lab.analytics.execute(f'ALTER ROLE "{role}" RESET log_statement'.encode())
    for place, user in users.items():
        with getattr(lab, place).cursor() as cursor:
            cursor.execute(
                "SELECT argument FROM mysql.general_log WHERE user_host LIKE %s "
                "AND command_type NOT IN ('Connect', 'Quit', 'Ping')",
                [f"{user}[%"],
            )
            setattr(heard, place, [_text(row[0]) for row in cursor.fetchall()])
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode()
    entry = r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)"
    heard.analytics = [one.replace("\n\t", "\n") for one in re.findall(entry, text)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.fixture
def log(pytestconfig: pytest.Config, servers: object) -> Path:
    """The log of the PostgreSQL of this session."""
    if pytestconfig.getoption("--postgres-url"):
        pytest.skip("the log of a server that is not ours is not to be read")
    return servers_folder(pytestconfig) / str(os.getpid()) / "analytics.log"


def preview(lab: Lab, folder: Path, *tables: str, **options: Any) -> dict[str, TablePreview]:
    found = preview_run(lab.settings_with(**options), RunRequest(tables), folder=folder)
    return {one.table: one for one in found.tables}


def run(lab: Lab, **options: Any) -> None:
    assert run_once(
        lab.settings_with(**options), RunRequest(), listen=lambda event: None
    ).is_success


@pytest.mark.parametrize("is_new", [True, False])
def test_a_plan_only_reads(lab: Lab, log: Path, tmp_path: Path, is_new: bool) -> None:
    fill(lab)
    if not is_new:
        run(lab)
        make_table(lab.source, "CREATE TABLE late (id int PRIMARY KEY)")
    with listening(lab, log) as heard:
        preview(lab, tmp_path)
    for place in ("source", "replication", "analytics"):
        statements = getattr(heard, place)
        assert statements, place
        assert [one for one in statements if not READS.match(one.lstrip())] == [], place
        assert not any(re.search(r"\bINTO\b|\bFOR UPDATE\b", one) for one in statements)
    schemas = lab.analytics.execute("SELECT 1 FROM pg_namespace WHERE nspname IN ('raw', 'etl')")
    assert len(schemas.fetchall()) == (0 if is_new else 2)


def test_a_run_executes_the_statements_of_the_plan(lab: Lab, log: Path, tmp_path: Path) -> None:
    fill(lab)
    planned = preview(lab, tmp_path)
    assert {one.what for one in planned.values()} == {Pass.BUILD}
    with listening(lab, log) as heard:
        run(lab)
    for one in planned.values():
        assert len(one.ddl) >= 4
        for place, statement in one.ddl:
            assert statement in getattr(heard, place), (place, statement)
        read = one.reads.partition(" ORDER BY ")[0].partition(" FORCE ")[0]
        assert any(said.startswith(read) for said in heard.source)


def test_a_replica_that_is_made_anew_takes_the_old_ones_place(
    lab: Lab, log: Path, tmp_path: Path
) -> None:
    fill(lab)
    run(lab)
    run_sql(lab.replication, "ALTER TABLE codes ADD COLUMN mine int")
    planned = preview(lab, tmp_path, "codes")
    with listening(lab, log) as heard:
        run(lab)
    statements = [statement for _, statement in planned["codes"].ddl]
    assert any("TO `_etl_replaced_codes`" in one for one in statements)
    assert all(one in heard.replication for one in statements)


def test_what_is_there_already_is_not_made(lab: Lab, tmp_path: Path) -> None:
    fill(lab)
    run(lab)
    planned = preview(lab, tmp_path)
    assert {one.what for one in planned.values()} == {Pass.COMPARE}
    assert all(one.ddl == () and one.seconds is not None for one in planned.values())
    make_table(lab.replication, "ALTER TABLE patient ADD COLUMN mine int")
    lab.analytics.execute("DROP TABLE raw.codes")
    planned = preview(lab, tmp_path)
    assert planned["patient"].what is Pass.BUILD
    assert "altered by somebody else" in (planned["patient"].because or "")
    assert [place for place, _ in planned["codes"].ddl][:1] == ["analytics"]


def test_the_pass_is_the_one_that_a_run_takes(lab: Lab, tmp_path: Path) -> None:
    fill(lab)
    strategy = {"extraction_strategy": "incremental", "incremental_column": "S"}
    tables = {"tables": {"patient": strategy}}
    assert preview(lab, tmp_path, tables=tables)["patient"].what is Pass.BUILD
    run(lab, tables=tables)
    assert preview(lab, tmp_path, tables=tables)["patient"].what is Pass.STAMPED


STRATEGIES = {
    "fingerprint": {},
    "full_table": {"extraction_strategy": "full_table"},
    "append_only": {"extraction_strategy": "append_only"},
    "incremental": {"extraction_strategy": "incremental", "incremental_column": "S"},
}
INDEX = "ALTER TABLE patient ADD KEY names (LName)"
COLUMN = "ALTER TABLE patient ADD COLUMN Flag int NOT NULL DEFAULT 3"


@pytest.mark.parametrize("is_altered_by_others", [False, True])
@pytest.mark.parametrize("change", [INDEX, COLUMN])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_after_a_change_of_the_schema_the_pass_is_the_one_that_a_run_takes(
    lab: Lab, tmp_path: Path, strategy: str, change: str, is_altered_by_others: bool
) -> None:
    fill(lab)
    tables = {"tables": {"patient": STRATEGIES[strategy]}}
    run(lab, tables=tables)
    run_sql(lab.source, change)
    if is_altered_by_others:
        run_sql(lab.replication, "ALTER TABLE patient ADD COLUMN mine int")
    planned = preview(lab, tmp_path, tables=tables)["patient"]
    settings = lab.settings_with(tables=tables)
    (outcome,) = run_once(settings, RunRequest(), listen=lambda event: None).outcomes
    reasons = [note for note in outcome.notes if "every row was read, since" in note]
    assert planned.what is not None
    assert (planned.what.grade, outcome.error) == (outcome.grade, None)
    assert [note.partition(", since ")[2] for note in reasons] == (
        [planned.because] if planned.because else []
    )
    assert ("altered by somebody else" in str(reasons)) == (
        is_altered_by_others and strategy != "full_table"
    )


def test_views_on_views_depend_on_a_table(lab: Lab, tmp_path: Path) -> None:
    fill(lab)
    run(lab)
    for statement in (
        "CREATE SCHEMA staging",
        'CREATE VIEW staging.one AS SELECT "LName" FROM raw.patient',
        "CREATE VIEW staging.two AS SELECT * FROM staging.one",
        "CREATE MATERIALIZED VIEW staging.three AS SELECT * FROM staging.two",
    ):
        lab.analytics.execute(statement.encode())
    planned = preview(lab, tmp_path)
    assert planned["patient"].dependents == ("staging.one", "staging.three", "staging.two")
    assert planned["codes"].dependents == ()


MANIFEST = {
    "sources": {
        "source.p.raw.patient": {"name": "patient", "schema": "raw", "identifier": "patient"},
        "source.p.other.patient": {"name": "patient", "schema": "other", "identifier": "patient"},
    },
    "child_map": {
        "source.p.raw.patient": ["model.p.stg_patient", "test.p.not_null"],
        "source.p.other.patient": ["model.p.elsewhere"],
        "model.p.stg_patient": ["model.p.dim_patient"],
        "model.p.dim_patient": ["model.p.stg_patient", "exposure.p.report"],
    },
}


def test_models_of_dbt_depend_on_a_table(lab: Lab, tmp_path: Path) -> None:
    assert find_models(MANIFEST, "raw") == {"patient": ["dim_patient", "stg_patient"]}
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    fill(lab)
    assert preview(lab, tmp_path)["patient"].dependents == ("dim_patient", "stg_patient")


@pytest.mark.parametrize("text", ["", "[]", '{"sources": {"a": 1}}'])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(EtlError, match=r"manifest\.json"):
        read_models(tmp_path, "raw")
    assert read_models(tmp_path / "nowhere", "raw") == {}


def test_a_table_that_would_fail_is_said_to(lab: Lab, tmp_path: Path, expected: Expected) -> None:
    fill(lab)
    make_table(lab.source, "CREATE TABLE bad (id int PRIMARY KEY, _etl_loaded_at int)")
    found = preview_run(lab.settings, RunRequest(), folder=tmp_path)
    assert [one.table for one in found.failing] == ["bad"]
    expected.check("plan_new.txt", plan_screen(found, with_sql=False) + "\n")
    with pytest.raises(ConfigurationError, match="no such table"):
        preview(lab, tmp_path, "patiens")


def test_what_changed_in_the_schema_is_said(lab: Lab, tmp_path: Path) -> None:
    fill(lab)
    run(lab)
    run_sql(lab.source, "ALTER TABLE patient ADD COLUMN late int", "ALTER TABLE codes ADD z int")
    lab.analytics.execute("DROP TABLE raw.codes")
    lab.analytics.execute("CREATE VIEW raw.codes AS SELECT 1 AS one")
    planned = preview(lab, tmp_path)
    # The replica is altered, and so is the table in the warehouse.
    added = [statement for _, statement in planned["patient"].ddl if "ADD COLUMN" in statement]
    assert (len(added), planned["patient"].error) == (2, None)
    assert "a view bears the table's name" in (planned["codes"].error or "")
    outcomes = run_once(lab.settings, RunRequest(), listen=lambda event: None).outcomes
    assert {one.table: (one.error, one.fix) for one in outcomes} == {
        name: (one.error, one.fix) for name, one in planned.items()
    }


def test_the_column_that_marks_deletes_is_announced(lab: Lab, log: Path, tmp_path: Path) -> None:
    fill(lab)
    run(lab)
    tables = {"tables": {"patient": {"deletes": "mark"}}}
    ((_, statement),) = preview(lab, tmp_path, tables=tables)["patient"].ddl
    with listening(lab, log) as heard:
        run(lab, tables=tables)
    assert statement in heard.analytics


def test_the_statements_are_shown_when_asked_for(
    lab: Lab, tmp_path: Path, expected: Expected
) -> None:
    fill(lab)
    found = preview_run(lab.settings, RunRequest(["patient"]), folder=tmp_path)
    # MySQL does not say any more how wide a number is shown.
    shown = plan_screen(found, with_sql=True).replace("bigint(20)", "bigint")
    expected.check("plan_sql.txt", re.sub(r"\d+\.\d MB", "N MB", shown) + "\n")
    assert json.loads(plan_json(found))["tables"][0]["step"] == "build"


@pytest.mark.parametrize("importance", [["critical"], ["critical", "important"]])
def test_only_tables_of_an_importance(lab: Lab, tmp_path: Path, importance: list[str]) -> None:
    fill(lab)
    tables = {"tables": {"patient": {"table_importance": "critical"}, "codes": {}}}
    found = preview_run(
        lab.settings_with(tables=tables), RunRequest(importance=importance), folder=tmp_path
    )
    assert [one.table for one in found.tables] == ["patient"]
