"""Builds beside runs, kills and edits of others: every model shows raw at one instant."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from etl_pipeline.cli.screens.plan import model_lines
from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.practice import build_practice, change_practice
from etl_pipeline.demo.servers import Servers
from etl_pipeline.errors import DatabaseError, EtlError
from etl_pipeline.pipeline.reader_role import let_read
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.transform.build import transform_once
from etl_pipeline.transform.environment import find_folder
from etl_pipeline.transform.preview import preview_build
from tests.conftest import Lab, open_lab
from tests.rows import run_sql
from tests.transform.conftest import State, build
from tests.transform.judging import digest_models
from tests.transform.test_command import call, count_waiting, start, wait_for

LAYERS = ("staging", "intermediate", "marts")


@pytest.fixture(scope="module")
def practice(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A small practice with its models."""
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=40)
        folder = lab.write_config(
            tmp_path_factory.mktemp("builds"), pipeline={"transform": {"today": "entries"}}
        )
        settings = Settings("test", FileConfigProvider(folder))
        assert copy(settings)
        yield build(lab, settings)


def copy(settings: Settings) -> bool:
    return bool(run_once(settings, RunRequest(), listen=lambda _: None).is_success)


def digest_marts(lab: Lab) -> dict[str, tuple[int, Any]]:
    """Return a digest of all that a build writes."""
    return digest_models(lab.analytics, with_inputs=True)


def work_a_day(state: State) -> None:
    """A day at the practice, and old rows that change: prices of procedures that are done."""
    change_practice(state.lab.source)
    run_sql(
        state.lab.source,
        "UPDATE procedurelog SET ProcFee = ProcFee + 1 WHERE ProcStatus = 2 AND ProcFee > 0 "
        "ORDER BY ProcNum LIMIT 100",
    )


def test_a_build_that_a_run_overtakes_shows_one_instant_and_loses_no_row(practice: State) -> None:
    """A lock on the fact holds the build between its reading and its writing; a run comes then."""
    lab, settings = practice.lab, practice.settings
    work_a_day(practice)
    assert copy(settings)
    assert transform_once(settings, listen=lambda _: None).is_success
    expected = digest_marts(lab)
    ((run_id,),) = practice.query("SELECT max(run_id) FROM etl.run")
    outcome: list[bool] = []
    with psycopg.connect(lab.analytics.info.dsn, password=lab.analytics.info.password) as other:
        other.execute("LOCK TABLE marts.fact_procedure IN SHARE MODE")
        building = threading.Thread(
            target=lambda: outcome.append(
                transform_once(settings, everything=True, listen=lambda _: None).is_success
            )
        )
        building.start()
        wait_for(lambda: count_waiting(practice) == 1, "the fact was not begun")
        work_a_day(practice)
        assert copy(settings)
        other.rollback()
        building.join(240)
    assert outcome == [True]
    assert digest_marts(lab) == expected
    assert practice.query("SELECT run_id FROM etl.build ORDER BY build_id DESC LIMIT 1") == [
        (run_id,)
    ]
    # The run's rows come with the next build.
    assert transform_once(settings, listen=lambda _: None).is_success
    assert digest_marts(lab) != expected
    assert practice.query(
        "SELECT count(*) FROM marts.fact_procedure AS f FULL JOIN intermediate.int_procedure AS i "
        "USING (procedure_id) WHERE f.gross_production IS DISTINCT FROM i.gross_production"
    ) == [(0,)]


def test_a_build_that_is_killed_changes_nothing(practice: State) -> None:
    lab = practice.lab
    work_a_day(practice)
    assert copy(practice.settings)
    before = digest_marts(lab)
    with psycopg.connect(lab.analytics.info.dsn, password=lab.analytics.info.password) as other:
        other.execute("LOCK TABLE marts.collections_by_day IN SHARE MODE")
        process = start(practice, "transform")
        wait_for(lambda: count_waiting(practice) == 1, "the model was not begun")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        wait_for(lambda: count_waiting(practice) == 0, "the session was left")
    assert digest_marts(lab) == before
    assert transform_once(practice.settings, listen=lambda _: None).is_success
    made = digest_marts(lab)
    assert made != before
    assert transform_once(practice.settings, full_refresh=True, listen=lambda _: None).is_success
    assert digest_marts(lab) == made


def test_what_changed_is_built_and_nothing_else(practice: State) -> None:
    settings = practice.settings
    run_sql(practice.lab.source, "UPDATE commlog SET Note = CONCAT(Note, '.') LIMIT 1")
    assert copy(settings)
    # What is excluded stays to be built.
    summary = transform_once(settings, exclude=["fact_communication"], listen=lambda _: None)
    assert summary.is_success
    assert "fact_communication" not in {n.name for n in summary.nodes}
    assert any("to be built later: fact_communication" in note for note in summary.notes)
    summary = transform_once(settings, listen=lambda _: None)
    built = {n.name: n.reason for n in summary.nodes if n.status != "reused"}
    assert set(built.values()) == {"raw.commlog changed"}
    assert {n.name for n in summary.models if n.status != "reused"} == {"fact_communication"}
    # Then nothing is to be done, also after a run that finds nothing; dbt is not even begun.
    assert copy(settings)
    (practice.summary.folder / "dbt.err").unlink()
    summary = transform_once(settings, listen=lambda _: None)
    assert {n.status for n in summary.nodes} == {"reused"}
    assert len(summary.nodes) == len(practice.summary.nodes)
    assert not (practice.summary.folder / "dbt.err").exists()


def test_etl_plan_says_what_would_be_built_and_why(practice: State) -> None:
    settings = practice.settings
    assert transform_once(settings, listen=lambda _: None).is_success
    code, stdout, stderr = call(practice, "plan")
    assert code == 0, stderr
    assert " to reuse: nothing changed in raw since they were built\n" in stdout
    run_sql(practice.lab.source, "UPDATE commlog SET Note = CONCAT(Note, '.') LIMIT 1")
    assert copy(settings)
    builds = practice.query("SELECT count(*), max(build_id) FROM etl.build")
    before = digest_marts(practice.lab)
    code, stdout, stderr = call(practice, "plan")
    assert code == 0, stderr
    assert ": 1 to build (1 of them what changed alone), " in stdout
    assert "\n  raw.commlog changed: fact_communication\n" in stdout
    assert stdout.endswith("nothing was changed; to do it: etl run, then etl transform\n")
    code, stdout, stderr = call(practice, "plan", "--json")
    planned = json.loads(stdout)["models"]
    assert (planned["all"], planned["not_built"]) == (False, [])
    # It tells what the build does then, and has changed nothing itself.
    assert practice.query("SELECT count(*), max(build_id) FROM etl.build") == builds
    assert digest_marts(practice.lab) == before
    summary = transform_once(settings, listen=lambda _: None)
    built = [n for n in summary.nodes if n.status != "reused"]
    assert {(n.name, n.kind, n.reason, n.took_over) for n in built} == {
        (n["name"], n["kind"], n["because"], n["takes_over"]) for n in planned["build"]
    }
    assert sorted(n.name for n in summary.reused) == sorted(planned["reuse"])
    # A table that is named has no say on models.
    code, stdout, stderr = call(practice, "plan", "patient", "--json")
    assert (code, json.loads(stdout)["models"]) == (0, None), stderr


def test_etl_plan_shows_no_models_before_the_first_run_and_all_before_the_first_build(
    servers: Servers, tmp_path: Path
) -> None:
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=20)
        folder = lab.write_config(tmp_path)
        settings = Settings("test", FileConfigProvider(folder))
        assert preview_build(settings) is None
        assert copy(settings)
        preview = preview_build(settings)
        assert preview is not None
        assert preview.planned is None
        assert list(model_lines(preview)) == [
            "all models are to be built: none was yet, from this version of the project"
        ]
        # Neither made what a build makes.
        assert lab.analytics.execute(b"SELECT to_regnamespace('marts')").fetchall() == [(None,)]
        assert not find_folder(settings).exists()


def edit(practice: State, statement: str) -> None:
    practice.lab.analytics.execute(statement.encode())
    # A session that stays reports what it has counted some seconds later.
    practice.query("SELECT pg_stat_force_next_flush()")


def test_edits_of_others_are_found_and_taken_back(practice: State) -> None:
    settings, lab = practice.settings, practice.lab
    before = digest_marts(lab)
    edit(practice, "DELETE FROM marts.dim_clinic WHERE clinic_id = 1")
    edit(practice, "DROP TABLE marts.dim_chair")
    edit(practice, 'UPDATE raw.provider SET "Abbr" = \'edited\' WHERE "ProvNum" = 1')
    summary = transform_once(settings, listen=lambda _: None)
    assert summary.is_success
    reasons = {n.name: n.reason for n in summary.nodes if n.status != "reused"}
    assert (reasons["dim_clinic"], reasons["dim_chair"]) == ("others changed it", "it is not there")
    assert reasons["dim_provider"] == "raw.provider may have changed"
    assert digest_marts(lab)["marts.dim_clinic"] == before["marts.dim_clinic"]
    # A run finds the edit of raw and takes it back.
    assert copy(settings)
    assert transform_once(settings, listen=lambda _: None).is_success
    assert digest_marts(lab) == before


def test_an_empty_table_is_not_read_for_each_new_row(practice: State) -> None:
    """PostgreSQL's planner reads a table that it believes to be empty for each new row."""
    before = digest_marts(practice.lab)
    edit(practice, "TRUNCATE marts.fact_procedure, intermediate.int_ledger")
    edit(practice, "ANALYZE marts.fact_procedure, intermediate.int_ledger")

    def read_counters() -> dict[str, tuple[int, int]]:
        rows = practice.query(
            "SELECT relname, n_tup_ins, seq_scan FROM pg_stat_user_tables "
            "WHERE relname IN ('fact_procedure', 'int_ledger')"
        )
        return {name: (inserted, scans) for name, inserted, scans in rows}

    then = read_counters()
    assert transform_once(practice.settings, listen=lambda _: None).is_success
    assert digest_marts(practice.lab) == before
    wait_for(
        lambda: all(now[0] > then[name][0] for name, now in read_counters().items()),
        "PostgreSQL has not counted the rows",
    )
    for name, (inserted, scans) in read_counters().items():
        assert inserted - then[name][0] > 300, name
        assert scans - then[name][1] < 150, name


READER = 'bi "of" the\\practice'


def test_a_reader_reads_every_mart_after_the_next_build_and_nothing_else(practice: State) -> None:
    """Of the relations that the build makes anew, one is new and one has other columns."""
    lab = practice.lab
    role, secret = sql.Identifier(READER), "of-the-reader"
    with pytest.raises(EtlError, match="no such role"):
        let_read(practice.settings, READER)
    lab.analytics.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(secret))
    )
    try:
        code, stdout, stderr = call(practice, "grants", "--reader", READER)
        assert (code, stdout.count(";\n")) == (0, 3), stderr
        assert "--apply" in stderr
        code, printed, stderr = call(practice, "grants", "--reader", READER, "--apply")
        assert (code, printed) == (0, stdout), stderr
        code, stdout, stderr = call(practice, "grants", "--reader", READER, "--apply")
        assert (code, stdout) == (0, "")
        assert stderr.startswith("nothing to do: ")
        edit(practice, "DROP TABLE marts.dim_chair")
        edit(practice, "ALTER TABLE marts.dim_clinic ADD COLUMN of_mine int")
        assert transform_once(practice.settings, listen=lambda _: None).is_success
        relations = practice.query(
            "SELECT relname FROM pg_class WHERE relnamespace = 'marts'::regnamespace "
            "AND relkind IN ('r', 'v')"
        )
        assert ("dim_chair",) in relations
        info = lab.analytics.info
        with psycopg.connect(
            host=info.host, port=info.port, dbname=info.dbname, user=READER, password=secret
        ) as reader:
            for (name,) in relations:
                reader.execute(f"SELECT * FROM marts.{name} LIMIT 1".encode()).fetchall()
            for name in ("raw.patient", "staging.stg_patient", "etl.run"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(f"SELECT * FROM {name}".encode())
                reader.rollback()
        assert let_read(practice.settings, READER, ["staging"], apply=True).schemas == [
            "marts",
            "staging",
        ]
        assert not let_read(practice.settings, READER, ["staging"]).statements
        # What the user may not grant is told, with what to paste.
        lab.analytics.execute(b"CREATE SCHEMA of_others")
        lab.analytics.execute(b"CREATE TABLE of_others.secret ()")
        with pytest.raises(DatabaseError, match="may not grant") as told:
            let_read(practice.settings, READER, ["of_others"], apply=True)
        assert 'GRANT USAGE ON SCHEMA "of_others" TO "bi ""of"" the' in str(told.value)
    finally:
        lab.analytics.execute(sql.SQL("DROP OWNED BY {}").format(role))
        lab.analytics.execute(sql.SQL("DROP ROLE {}").format(role))
