"""What raw lacks, and the environment that dbt gets: decided without a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.config.secret import Secret
from etl_pipeline.transform.environment import LAYERS, PROJECT, make_environment
from etl_pipeline.transform.needs import MissingTables, digest_models, find_missing, read_needs

NAMES = st.sampled_from(["a", "b", "c", "d"])
NEEDS = st.dictionaries(NAMES, st.dictionaries(NAMES, st.booleans(), min_size=1), min_size=1)
RAW = st.dictionaries(NAMES, st.frozensets(NAMES))


@given(NEEDS, RAW)
def test_what_is_lacking_makes_up_what_is_there(
    needs: dict[str, dict[str, bool]], raw: dict[str, frozenset[str]]
) -> None:
    missing = find_missing(needs, raw)
    for table, columns in needs.items():
        assert (table in missing.tables) == (table not in raw and any(columns.values()))
        assert (table in missing.empty) == (table not in raw and not any(columns.values()))
        for column, is_needed in columns.items() if table in raw else ():
            lists = missing.needed if is_needed else missing.missing
            assert (column in lists.get(table, ())) == (column not in raw[table])
    assert set(missing.unusable) == {*missing.tables, *missing.needed}


def test_marked_tables_are_known_by_their_column() -> None:
    missing = find_missing({"a": {"x": True}}, {"a": frozenset({"x", "_etl_deleted_at"})})
    assert missing == MissingTables(marked=("a",))


def test_sources_name_exactly_the_columns_that_staging_reads() -> None:
    needs = read_needs(PROJECT)
    models = PROJECT / "models" / "staging"
    assert {f"stg_{table}" for table in needs} == {path.stem for path in models.glob("*.sql")}
    for table, columns in needs.items():
        text = (models / f"stg_{table}.sql").read_text()
        assert set(re.findall(rf"\('{table}', '(\w+)'\)", text)) == columns.keys()


def test_sources_are_tables_of_a_real_practice() -> None:
    known = Path(__file__).parents[1] / "demo"
    columns = {
        tuple(line.split("\t")[:3:2])
        for name in ("practice_columns.tsv", "source_columns.tsv")
        for line in (known / name).read_text().splitlines()
    }
    for table, names in read_needs(PROJECT).items():
        assert {(table, name) for name in names} <= columns


def test_the_digest_follows_the_models_and_what_raw_lacks(tmp_path: Path) -> None:
    for part in ("macros", "models", "seeds"):
        (tmp_path / part).mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: x")
    (tmp_path / "models" / "a.sql").write_text("select 1")
    same = digest_models(tmp_path, None, MissingTables())
    assert digest_models(tmp_path, None, MissingTables()) == same
    assert digest_models(tmp_path, None, MissingTables(tables=("a",))) != same
    (tmp_path / "models" / "a.sql").write_text("select 2")
    assert digest_models(tmp_path, None, MissingTables()) != same


def test_the_digest_follows_the_models_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: x")
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.sql").write_text("select 1")
    same = digest_models(tmp_path, own, MissingTables())
    assert digest_models(tmp_path, own, MissingTables()) == same
    assert digest_models(tmp_path, None, MissingTables()) != same
    (own / "b.yml").write_text("models: []")
    assert digest_models(tmp_path, own, MissingTables()) != same


def test_dbt_gets_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "DBT_TARGET_PATH", "ETL_HOST", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "elsewhere")
    config = {
        "host": "warehouse.example.com", "port": 5433, "database": "w", "user": "u",
        "password": Secret("secret"), "connect_timeout": 7, "ssl_mode": "verify-full",
        "ssl_ca": "/ca.pem",
    }  # fmt: skip
    layers = {layer: {**config, "schema": layer} for layer in LAYERS}
    environment = make_environment("raw", layers, Path("/f"))
    assert "elsewhere" not in environment.values()
    assert environment["ETL_HOST"] == "warehouse.example.com"
    assert environment["ETL_SSL_CA"] == "/ca.pem"
    assert [n for n, v in environment.items() if v == "secret"] == ["DBT_ENV_SECRET_ETL_PASSWORD"]
    assert environment["ETL_SCHEMA_MARTS"] == "marts"
    wanted = re.findall(r"env_var\('(\w+)'", (PROJECT / "profiles.yml").read_text())
    wanted += re.findall(r"env_var\('(\w+)'", (PROJECT / "dbt_project.yml").read_text())
    assert set(wanted) <= environment.keys()
