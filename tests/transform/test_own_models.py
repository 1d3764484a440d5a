"""A user's own models, in the folder of the configuration and in a project of her own dbt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.practice import build_practice
from etl_pipeline.demo.servers import Servers
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.setup.texts import EXAMPLE
from etl_pipeline.transform import build as model_build
from etl_pipeline.transform import process as dbt_process
from etl_pipeline.transform.build import transform_once
from etl_pipeline.transform.summary import TransformSummary
from tests.cli.conftest import ROOT
from tests.conftest import Lab, open_lab
from tests.docs.pages import find_blocks, read_page
from tests.transform.conftest import State
from tests.transform.test_command import call

PATIENTS = 20
MODELS = {
    "example.sql": EXAMPLE.replace("enabled=false, schema='custom'", "schema='reports'"),
    "carrier_ids.sql": "{{ config(materialized='ephemeral') }} "
    "select carrier_id from {{ ref('dim_carrier') }}",
    "carriers.sql": "{{ config(materialized='table') }} "
    "select count(*) as carriers from {{ ref('carrier_ids') }}",
    "below/taken.sql": "{{ config(materialized='incremental', unique_key='clinic_id') }} "
    "select clinic_id, now() as taken_at from {{ ref('dim_clinic') }} "
    "{% if is_incremental() %} where false {% endif %}",
    "wrong.sql": "select no_such from {{ ref('dim_carrier') }}",
    "words.yml": "models: [{name: example, description: By month., columns: "
    "[{name: month_start, data_tests: [unique]}]}]",
}


def test_the_page_shows_the_example_that_is_built_here() -> None:
    (shown,) = find_blocks(read_page("docs/transform.md"), "jinja")
    assert shown in MODELS["example.sql"]


@pytest.fixture(scope="module")
def own(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """After a first build that has models of the user's, one of them wrong."""
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=PATIENTS)
        folder = lab.write_config(
            tmp_path_factory.mktemp("own"), pipeline={"transform": {"today": "entries"}}
        )
        for name, text in MODELS.items():
            (file := folder / "models" / name).parent.mkdir(exist_ok=True)
            file.write_text(text)
        settings = Settings("test", FileConfigProvider(folder))
        assert run_once(settings, RunRequest(), listen=lambda _: None).is_success
        yield State(lab, settings, build(settings))


def build(settings: Settings, **options: Any) -> TransformSummary:
    return transform_once(settings, listen=lambda _: None, **options)


def relations(state: State, *schemas: str) -> set[tuple[str, str]]:
    rows = state.query(
        "SELECT relnamespace::regnamespace || '.' || relname, relkind::text FROM pg_class WHERE "
        f"relkind IN ('r', 'v') AND relnamespace::regnamespace::text IN ({str(schemas)[1:-1]})"
    )
    return {(name, kind) for name, kind in rows}


def test_they_are_built_with_ours_where_they_say(own: State) -> None:
    assert relations(own, "reports", "custom") == {
        ("reports.example", "v"), ("custom.carriers", "r"), ("custom.taken", "r"),
    }  # fmt: skip
    built = {n.name: n for n in own.summary.nodes if n.id.split(".")[1] == "custom"}
    models = own.config_folder / "models"
    assert built["example"].file == str(models / "example.sql")
    assert built["taken"].file == str(models / "below" / "taken.sql")
    assert [n.status for n in built.values() if n.kind == "test"] == ["pass"]
    assert [n.name for n in own.summary.failed] == ["wrong"]
    wrong = built["wrong"]
    assert wrong.words == 'column "no_such" does not exist (SQLSTATE 42703)'
    assert wrong.file == str(models / "wrong.sql")
    assert (own.summary.folder / str(wrong.compiled)).is_file()
    assert "ephemeral" not in {n.kind for n in own.summary.nodes}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("select {{ foo( }}", "unexpected '}'"),
        ("select * from {{ ref('dim_carriers') }}", "'dim_carriers' which was not found"),
        ("{{ config(schema='raw') }} select 1 as a", "schema raw is not for models of yours"),
    ],
)
def test_a_mistake_is_named_with_its_file(own: State, text: str, words: str) -> None:
    file = own.config_folder / "models" / "mistake.sql"
    file.write_text(text)
    try:
        with pytest.raises(ConfigurationError) as refused:
            build(own.settings)
    finally:
        file.unlink()
    assert words in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_model_that_is_removed_is_named_then_dropped_when_asked(own: State) -> None:
    models = own.config_folder / "models"
    for name in ("example.sql", "words.yml", "wrong.sql", "carriers.sql"):
        (models / name).unlink()
    own.lab.analytics.execute(b"CREATE VIEW public.mine AS SELECT * FROM custom.carriers")
    summary = build(own.settings)
    # Nothing else is made anew.
    assert summary.is_success
    assert {n.status for n in summary.nodes} == {"reused"}
    assert summary.notes == [
        "the model of custom.carriers was removed: etl transform --drop-removed drops it, "
        "as does DROP TABLE custom.carriers",
        "the model of reports.example was removed: etl transform --drop-removed drops it, "
        "as does DROP VIEW reports.example",
    ]
    assert build(own.settings, drop_removed=True).notes == [
        "dropped reports.example, whose model was removed",
        "custom.carriers, whose model was removed, stays: "
        "view public.mine depends on table custom.carriers",
    ]
    own.lab.analytics.execute(b"DROP VIEW public.mine")
    assert build(own.settings, drop_removed=True).notes == [
        "dropped custom.carriers, whose model was removed"
    ]
    assert build(own.settings).notes == []
    assert relations(own, "reports", "custom") == {("custom.taken", "r")}


def test_a_folder_that_is_not_there_is_refused(own: State, tmp_path: Path) -> None:
    own.lab.write_config(tmp_path, pipeline={"transform": {"models_dir": "nowhere"}})
    with pytest.raises(ConfigurationError) as refused:
        build(Settings("test", FileConfigProvider(tmp_path)))
    assert f"{tmp_path / 'nowhere'} (pipeline.yml: transform.models_dir)" in str(refused.value)


def test_a_dbt_that_connects_in_another_way_is_refused(
    own: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import types, psycopg2\n"
        "import dbt.adapters.postgres.connections as connections\n"
        "connections.psycopg2 = types.SimpleNamespace(**vars(psycopg2))\n"
    )
    place = f"{tmp_path}{os.pathsep}{ROOT}"
    start = dbt_process.start_dbt
    monkeypatch.setattr(
        model_build,
        "start_dbt",
        lambda environment, *rest: start({**environment, "PYTHONPATH": place}, *rest),
    )
    with pytest.raises(ConfigurationError, match=r"does not connect by psycopg2\.connect"):
        transform_once(own.settings, select=["dim_clinic"], listen=lambda _: None)


# Plain dbt


def test_a_command_is_handed_on_to_dbt(own: State) -> None:
    code, stdout, stderr = call(own, "dbt", "--quiet", "ls", "--select", "dim_clinic", "taken")
    assert (code, stderr) == (0, "")
    assert stdout.splitlines()[:2] == ["custom.below.taken", "practice.marts.dim_clinic"]
    code, stdout, _ = call(own, "dbt", "run", "--select", "no_such", "--no-such-option")
    assert code == 2
    code, _, stderr = call(own, "dbt")
    assert (code, stderr.splitlines()[0]) == (
        2, "error: etl dbt: give a command of dbt, such as ls, or --profile",
    )  # fmt: skip


KEPT = {
    "keys": "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE contype = 'p' AND connamespace::regnamespace::text IN ('intermediate', 'marts')",
    "comments": "SELECT objoid::regclass::text, objsubid, description FROM pg_description "
    "WHERE classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM pg_class WHERE "
    "relnamespace::regnamespace::text IN ('staging', 'intermediate', 'marts'))",
    "grants": "SELECT oid::regclass::text, relacl::text FROM pg_class WHERE relacl IS NOT NULL AND "
    "relnamespace::regnamespace::text IN ('staging', 'intermediate', 'marts')",
    "relations": "SELECT oid::regclass::text, oid::text FROM pg_class "
    "WHERE relkind IN ('r', 'v') AND "
    "relnamespace::regnamespace::text IN ('staging', 'intermediate', 'marts')",
    "views": "SELECT pg_get_viewdef('mine.income'::regclass)",
}


def test_a_bare_build_of_a_project_that_imports_ours_loses_nothing(
    own: State, tmp_path: Path
) -> None:
    for statement in (
        "CREATE SCHEMA mine",
        "CREATE VIEW mine.income AS SELECT sum(net_production) FROM marts.production_by_day",
        "GRANT SELECT ON marts.production_by_day, staging.stg_patient TO pg_monitor",
        "GRANT SELECT ON marts.fact_procedure TO pg_monitor",
    ):
        own.lab.analytics.execute(statement.encode())
    code, profile, stderr = call(own, "dbt", "--profile")
    assert code == 0, stderr
    environment = make_project(tmp_path, profile, own.lab)
    before = {name: sorted(own.query(statement)) for name, statement in KEPT.items()}
    dbt(tmp_path, environment, "deps")
    for _ in range(2):
        said = dbt(tmp_path, environment, "build")
        assert "ERROR=0" in said
        for name, statement in KEPT.items():
            assert sorted(own.query(statement)) == before[name], name
    assert relations(own, "custom_hers", "") == {("custom_hers.clinics", "v")}


def make_project(folder: Path, profile: str, lab: Lab) -> dict[str, str]:
    """Write a project as the profile's comment says; return the environment that it names."""
    said = [line.removeprefix("#").strip() for line in profile.splitlines() if line.startswith("#")]
    (folder / "profiles.yml").write_text(profile)
    (folder / "packages.yml").write_text(next(s for s in said if s.startswith("packages:")))
    named = [s for s in said if s.startswith(("profile:", "dispatch:", "vars:"))]
    project = "\n".join(["name: hers", *named]).replace("NAME", "hers")
    (folder / "dbt_project.yml").write_text(project + "\nmodels: {hers: {+schema: hers}}\n")
    (folder / "models").mkdir()
    (folder / "models" / "clinics.sql").write_text("select * from {{ ref('dim_clinic') }}")
    exports = [s.removeprefix("export ") for s in said if s.startswith("export ")]
    shell = "; ".join(f"export {e}" for e in exports if not e.startswith("DBT_ENV_SECRET"))
    listed = subprocess.run(
        ["bash", "-c", f"{shell}; env -0"], env={}, capture_output=True, text=True, check=True
    )
    variables = dict(entry.split("=", 1) for entry in listed.stdout.split("\0") if "=" in entry)
    password = lab.env["TEST_POSTGRES_ANALYTICS_PASSWORD"]
    assert password not in profile
    return {"PATH": os.environ["PATH"], "HOME": str(folder), **variables} | {
        "DBT_ENV_SECRET_ETL_PASSWORD": password, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }  # fmt: skip


def dbt(folder: Path, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-version-check", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
