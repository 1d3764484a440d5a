"""The usage examples of the connection guide run as written, a test for each of its sections.

The excerpts of classes in the guide are no usage; where it is unclear, ``test_environments.py``
decides.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

import etl_pipeline.config as config_package
import etl_pipeline.config.providers as providers_module
import etl_pipeline.config.settings as settings_module
from etl_pipeline.config import (
    DatabaseType,
    DictConfigProvider,
    FileConfigProvider,
    PostgresSchema,
    Settings,
    create_test_settings,
    get_settings,
    reset_settings,
)
from etl_pipeline.core import ConnectionFactory, create_connection_manager
from etl_pipeline.core import connections as connections_module
from tests.rows import run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Lab

PRODUCTION_FILE = """\
# Environment declaration
ETL_ENVIRONMENT=production

# OpenDental Source (Production)
OPENDENTAL_SOURCE_HOST=prod-dental-server.com
OPENDENTAL_SOURCE_PORT=3306
OPENDENTAL_SOURCE_DB=opendental
OPENDENTAL_SOURCE_USER=readonly_user
OPENDENTAL_SOURCE_PASSWORD=readonly_password

# MySQL Replication (Production)
MYSQL_REPLICATION_HOST=prod-repl-server.com
MYSQL_REPLICATION_PORT=3306
MYSQL_REPLICATION_DB=opendental_repl
MYSQL_REPLICATION_USER=repl_user
MYSQL_REPLICATION_PASSWORD=repl_password

# PostgreSQL Analytics (Production)
POSTGRES_ANALYTICS_HOST=prod-analytics-server.com
POSTGRES_ANALYTICS_PORT=5432
POSTGRES_ANALYTICS_DB=opendental_analytics
POSTGRES_ANALYTICS_SCHEMA=raw
POSTGRES_ANALYTICS_USER=analytics_user
POSTGRES_ANALYTICS_PASSWORD=analytics_password
"""
TEST_FILE = (
    re.sub(r"^(?=OPENDENTAL|MYSQL|POSTGRES)", "TEST_", PRODUCTION_FILE, flags=re.MULTILINE)
    .replace("=production", "=test")
    .replace("=prod-", "=test-")
    .replace("=opendental", "=test_opendental")
)
PIPELINE_FILE = """\
# Example pipeline configuration
connections:
  source:
    connect_timeout: 15
    read_timeout: 45
  replication:
    pool_size: 10
    max_overflow: 20
  analytics:
    application_name: "etl_pipeline_prod"
"""
TABLES_FILE = """\
# Example tables configuration
tables:
  patient:
    incremental_column: "DateModified"
    batch_size: 10000
    extraction_strategy: "incremental"
    table_importance: "critical"
    estimated_size_mb: 500
    estimated_rows: 100000
"""


def write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The guide's files, and a process that has declared production."""
    write(tmp_path / ".env_production", PRODUCTION_FILE)
    write(tmp_path / ".env_test", TEST_FILE)
    write(tmp_path / "pipeline.yml", PIPELINE_FILE)
    write(tmp_path / "tables.yml", TABLES_FILE)
    monkeypatch.setenv("ETL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("ETL_ENVIRONMENT", "production")
    reset_settings()
    yield tmp_path
    reset_settings()


@pytest.fixture
def practice(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lab]:
    """Two tables of the guide on real servers, and a process that has declared test."""
    for name in ("patient", "appointment"):
        run_sql(
            lab.source,
            f"CREATE TABLE {name} (id BIGINT PRIMARY KEY)",
            f"INSERT INTO {name} VALUES (1), (2)",
        )
    monkeypatch.setenv("ETL_CONFIG_DIR", str(lab.write_config(tmp_path)))
    monkeypatch.setenv("ETL_ENVIRONMENT", "test")
    reset_settings()
    yield lab
    reset_settings()


def test_guide_settings_usage_of_the_enums(folder: Path) -> None:
    settings = get_settings()
    assert settings.get_database_config(DatabaseType.SOURCE)["database"] == "opendental"
    raw = settings.get_database_config(DatabaseType.ANALYTICS, PostgresSchema.RAW)
    assert raw["schema"] == "raw"
    with pytest.raises(TypeError):
        settings.get_database_config("source")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        settings.get_database_config("analytics", "raw")  # type: ignore[arg-type]
    assert {db_type == DatabaseType.SOURCE for db_type in DatabaseType} == {True, False}
    shown = [f"Available schema: {schema.value}" for schema in PostgresSchema]
    assert [line.split()[-1] for line in shown] == ["raw", "staging", "intermediate", "marts"]


def test_guide_settings_key_methods(folder: Path) -> None:
    settings = get_settings()
    assert settings.get_source_connection_config()["database"] == "opendental"
    assert settings.get_replication_connection_config()["database"] == "opendental_repl"
    marts = settings.get_analytics_connection_config(PostgresSchema.MARTS)
    assert (marts["database"], marts["schema"]) == ("opendental_analytics", "marts")
    assert settings.get_analytics_raw_connection_config()["schema"] == "raw"
    assert settings.get_analytics_staging_connection_config()["schema"] == "staging"
    assert settings.get_analytics_intermediate_connection_config()["schema"] == "intermediate"
    assert settings.get_analytics_marts_connection_config()["schema"] == "marts"
    assert settings.validate_configs() is True


def test_guide_factory_pool_settings() -> None:
    assert connections_module.DEFAULT_POOL_SIZE == 5
    assert connections_module.DEFAULT_MAX_OVERFLOW == 10
    assert connections_module.DEFAULT_POOL_TIMEOUT == 30
    assert connections_module.DEFAULT_POOL_RECYCLE == 1800
    assert connections_module.create_connection_manager is create_connection_manager


def test_guide_factory_unified_interface(folder: Path) -> None:
    settings = get_settings()
    for engine in (
        ConnectionFactory.get_source_connection(settings),
        ConnectionFactory.get_replication_connection(settings),
        ConnectionFactory.get_analytics_connection(settings, PostgresSchema.RAW),
        ConnectionFactory.get_analytics_raw_connection(settings),
        ConnectionFactory.get_analytics_staging_connection(settings),
        ConnectionFactory.get_analytics_intermediate_connection(settings),
        ConnectionFactory.get_analytics_marts_connection(settings),
    ):
        assert engine.url.host is not None


def test_guide_manager_usage_pattern(practice: Lab) -> None:
    settings = get_settings()
    source_engine = ConnectionFactory.get_source_connection(settings)
    with create_connection_manager(source_engine) as manager:
        result1 = manager.execute_with_retry("SELECT COUNT(*) FROM patient")
        result2 = manager.execute_with_retry("SELECT COUNT(*) FROM appointment")
        assert (result1.scalar_one(), result2.scalar_one()) == (2, 2)
    source_engine.dispose()


@pytest.mark.parametrize(
    ("environment", "host", "database", "user"),
    [
        ("production", "prod-dental-server.com", "opendental", "readonly_user"),
        ("test", "test-dental-server.com", "test_opendental", "readonly_user"),
    ],
)
def test_guide_environment_files(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    host: str,
    database: str,
    user: str,
) -> None:
    monkeypatch.setenv("ETL_ENVIRONMENT", environment)
    settings = get_settings()
    source = settings.get_source_connection_config()
    assert (source["host"], source["port"]) == (host, 3306)
    assert (source["database"], source["user"]) == (database, user)
    assert source["password"] == "readonly_password"
    assert settings.get_analytics_connection_config()["port"] == 5432
    assert settings.validate_configs() is True
    name = Settings.ENV_MAPPINGS[environment][DatabaseType.SOURCE]["host"]
    assert f"\n{name}={host}\n" in (folder / f".env_{environment}").read_text()


@pytest.mark.parametrize("environment", ["production", "test"])
def test_guide_provider_integration_with_environment_files(folder: Path, environment: str) -> None:
    settings = Settings(environment=environment)
    assert settings.get_source_connection_config()["connect_timeout"] == 15
    assert settings.tables() == ("patient",)
    assert settings.get_source_connection_config()["host"].endswith("-dental-server.com")


def test_guide_usage_1_production_script(practice: Lab) -> None:
    settings = get_settings()
    source_engine = ConnectionFactory.get_source_connection(settings)
    replication_engine = ConnectionFactory.get_replication_connection(settings)
    with create_connection_manager(source_engine) as source_manager:
        result = source_manager.execute_with_retry("SELECT * FROM patient")
        assert result.fetchall() == [(1,), (2,)]
        with replication_engine.connect() as conn:
            assert conn.execute(text("SELECT 1")).fetchone() == (1,)
    source_engine.dispose()
    replication_engine.dispose()


@pytest.mark.parametrize("schema", list(PostgresSchema))
def test_guide_usage_2_schema_operations(practice: Lab, schema: PostgresSchema) -> None:
    make = getattr(ConnectionFactory, f"get_analytics_{schema.value}_connection")
    engine = make(get_settings())
    with engine.connect() as conn:
        assert conn.execute(text("SHOW search_path")).scalar_one() == schema.value
    engine.dispose()


def test_guide_usage_3_test_code(practice: Lab) -> None:
    test_settings = create_test_settings(env_vars={"TEST_OPENDENTAL_SOURCE_HOST": "test-host"})
    assert ConnectionFactory.get_source_connection(test_settings).url.host == "test-host"
    ConnectionFactory.get_replication_connection(test_settings)
    settings = Settings(environment="test")
    engine = ConnectionFactory.get_source_connection(settings)
    with engine.connect() as conn:
        row = conn.execute(text("SELECT 1")).fetchone()
        assert row is not None
        assert row[0] == 1
    engine.dispose()


def test_guide_pipeline_file(folder: Path) -> None:
    settings = get_settings()
    source = settings.get_source_connection_config()
    assert (source["connect_timeout"], source["read_timeout"]) == (15, 45)
    replication = settings.get_replication_connection_config()
    assert (replication["pool_size"], replication["max_overflow"]) == (10, 20)
    analytics = settings.get_analytics_connection_config()
    assert analytics["application_name"] == "etl_pipeline_prod"


def test_guide_tables_file(folder: Path) -> None:
    settings = get_settings()
    assert settings.tables_config["tables"]["patient"]["batch_size"] == 10000
    assert settings.tables() == ("patient",)
    patient = settings.get_table_config("patient")
    assert patient.incremental_column == "DateModified"
    assert patient.batch_size == 10000
    assert patient.extraction_strategy == "incremental"
    assert patient.table_importance == "critical"
    assert (patient.estimated_size_mb, patient.estimated_rows) == (500, 100000)


def test_guide_provider_usage_in_production(folder: Path) -> None:
    assert Settings(environment="production").validate_configs() is True
    settings = Settings(environment="production", provider=FileConfigProvider(folder))
    assert settings.get_source_connection_config()["host"] is not None
    elsewhere = FileConfigProvider(Path("/path/to/config"))
    assert Settings(environment="production", provider=elsewhere).validate_configs() is False


@pytest.mark.parametrize("prefix", ["", "TEST_"])
def test_guide_provider_usage_in_unit_tests(prefix: str) -> None:
    test_provider = DictConfigProvider(
        pipeline={"connections": {"source": {"pool_size": 5}}},
        tables={"tables": {"patient": {"batch_size": 1000}}},
        env={
            f"{prefix}OPENDENTAL_SOURCE_HOST": "test-host",
            f"{prefix}OPENDENTAL_SOURCE_DB": "test_db",
            f"{prefix}OPENDENTAL_SOURCE_USER": "test_user",
            f"{prefix}OPENDENTAL_SOURCE_PASSWORD": "test_pass",
        },
    )
    settings = Settings(environment="test", provider=test_provider)
    config = settings.get_source_connection_config()
    assert config["host"] == "test-host"
    assert config["database"] == "test_db"
    assert config["user"] == "test_user"
    assert config["password"] == "test_pass"
    assert config["pool_size"] == 5
    assert settings.get_table_config("patient").batch_size == 1000
    assert ConnectionFactory.get_source_connection(settings).url.host == "test-host"


def test_guide_real_files_in_integration_tests(folder: Path) -> None:
    settings = Settings(environment="production")
    assert settings.validate_configs() is True
    config = settings.get_source_connection_config()
    assert config["host"] is not None
    assert config["database"] is not None


def test_guide_factory_functions_for_testing() -> None:
    test_settings = create_test_settings(
        pipeline_config={"connections": {"source": {"connect_timeout": 5, "pool_size": 5}}},
        tables_config={"tables": {"patient": {"batch_size": 1000}}},
        env_vars={"TEST_OPENDENTAL_SOURCE_HOST": "test-host"},
    )
    source = test_settings.get_database_config(DatabaseType.SOURCE)
    assert (source["host"], source["database"]) == ("test-host", "test_opendental")
    assert (source["connect_timeout"], source["pool_size"]) == (5, 5)
    replication = test_settings.get_database_config(DatabaseType.REPLICATION)
    assert replication["database"] == "test_opendental_replication"
    for schema in PostgresSchema:
        config = test_settings.get_database_config(DatabaseType.ANALYTICS, schema)
        assert config["schema"] == schema.value
    assert test_settings.get_database_config(DatabaseType.SOURCE, PostgresSchema.RAW) == source


def test_guide_names_are_found_where_it_imports_them() -> None:
    for name in ("create_test_settings", "DatabaseType", "PostgresSchema", "Settings"):
        assert getattr(settings_module, name) is getattr(config_package, name)
    for name in ("ConfigProvider", "DictConfigProvider", "FileConfigProvider"):
        assert getattr(providers_module, name) is getattr(config_package, name)


def test_guide_configuration_errors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("ETL_ENVIRONMENT", raising=False)
    reset_settings()
    with pytest.raises(ValueError, match="production or test"):
        get_settings()
    settings = Settings("test", DictConfigProvider())
    with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="TEST_OPENDENTAL"):
        ConnectionFactory.get_source_connection(settings)
    assert not caplog.records  # raised, so not logged as well


def test_guide_connection_errors_are_no_configuration_errors() -> None:
    settings = create_test_settings(
        pipeline_config={"connections": {"source": {"connect_timeout": 1}}},
        env_vars={"TEST_OPENDENTAL_SOURCE_PORT": "1"},
    )
    engine = ConnectionFactory.get_source_connection(settings)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        engine.connect()
    assert not isinstance(caught.value, ValueError)


def test_guide_connection_validation(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings("test", DictConfigProvider())
    with caplog.at_level(logging.ERROR):
        assert not settings.validate_configs()
    assert "TEST_OPENDENTAL_SOURCE_HOST" in caplog.text
