"""What the connection guide leaves open about providers, files and environments."""

from __future__ import annotations

import inspect
import logging
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.config import (
    ConfigProvider,
    DatabaseType,
    DictConfigProvider,
    FileConfigProvider,
    PostgresSchema,
    Settings,
    create_test_settings,
    get_settings,
    reset_settings,
)
from etl_pipeline.core import ConnectionFactory
from etl_pipeline.core.manager import Pace
from etl_pipeline.errors import (
    ConfigurationError,
    DatabaseError,
    EnvironmentNotSetError,
    FaultyConfigurationError,
)
from tests.config.test_guide import PRODUCTION_FILE, write

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = {"HOST": "h", "DB": "d", "USER": "u", "PASSWORD": "p"}


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process without any variable of ours, in an empty directory."""
    for name in list(os.environ):
        if "OPENDENTAL" in name or "MYSQL" in name or "POSTGRES" in name or name[:4] == "ETL_":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    reset_settings()
    yield
    reset_settings()


def source_env(prefix: str, **changes: str) -> dict[str, str]:
    values = SOURCE | changes
    return {f"{prefix}OPENDENTAL_SOURCE_{key}": value for key, value in values.items()}


def test_only_a_provider_sees_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in source_env("TEST_").items():
        monkeypatch.setenv(name, value)
    settings = Settings("test", DictConfigProvider())
    assert settings.get_source_connection_config()["host"] is None
    with pytest.raises(ConfigurationError, match="TEST_OPENDENTAL_SOURCE_HOST"):
        ConnectionFactory.get_source_connection(settings)


def test_bare_names_serve_test_only_where_the_provider_says_so(tmp_path: Path) -> None:
    both = source_env("TEST_", HOST="prefixed") | source_env("", HOST="bare", DB="bare_db")
    del both["TEST_OPENDENTAL_SOURCE_DB"]
    config = Settings("test", DictConfigProvider(env=both)).get_source_connection_config()
    assert (config["host"], config["database"]) == ("prefixed", "bare_db")
    production = Settings("production", DictConfigProvider(env=source_env("TEST_")))
    assert production.get_source_connection_config()["host"] is None
    assert ConfigProvider.serves_bare_names_to_test is False
    assert FileConfigProvider(tmp_path).serves_bare_names_to_test is False


def test_the_process_gives_each_environment_its_own_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (source_env("", HOST="prod") | source_env("TEST_", DB="t")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TEST_OPENDENTAL_SOURCE_HOST")
    assert Settings("test").get_source_connection_config()["host"] is None
    assert Settings("test").get_source_connection_config()["database"] == "t"
    assert Settings("production").get_source_connection_config()["host"] == "prod"


def test_mappings_are_by_environment_then_database() -> None:
    mappings = Settings.ENV_MAPPINGS
    assert mappings["test"][DatabaseType.SOURCE]["host"] == "TEST_OPENDENTAL_SOURCE_HOST"
    assert mappings["production"][DatabaseType.SOURCE]["host"] == "OPENDENTAL_SOURCE_HOST"


def test_a_file_is_the_single_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENDENTAL_SOURCE_HOST", "from-process")
    before = dict(os.environ)
    assert Settings("production").get_source_connection_config()["host"] == "from-process"
    write(tmp_path / ".env_production", "OPENDENTAL_SOURCE_DB=d\n")
    config = Settings("production").get_source_connection_config()
    assert (config["host"], config["database"]) == (None, "d")
    assert dict(os.environ) == before


def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".env_test").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"\.env_test: the file cannot be read"):
        Settings("test")


def test_a_plain_env_file_is_never_read(tmp_path: Path) -> None:
    write(tmp_path / ".env", "TEST_OPENDENTAL_SOURCE_HOST=wrong\n")
    assert Settings("test").get_source_connection_config()["host"] is None


@pytest.mark.parametrize(
    ("environment", "name"),
    [("production", "TEST_MYSQL_REPLICATION_HOST"), ("test", "MYSQL_REPLICATION_HOST")],
)
def test_a_name_of_the_other_environment_is_an_error(
    tmp_path: Path, environment: str, name: str
) -> None:
    write(tmp_path / f".env_{environment}", f"# first line\n\n{name}=secret-host\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings(environment)
    assert f".env_{environment}:3: {name} belongs to" in str(caught.value)
    assert "secret-host" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "prod", "Production", " test", "test\n", "TEST"])
def test_only_two_environments(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("ETL_ENVIRONMENT", value)
    for build in (get_settings, Settings):
        with pytest.raises(EnvironmentNotSetError, match="production or test"):
            build()
    if value is not None:
        with pytest.raises(EnvironmentNotSetError, match="production or test"):
            Settings(value)


def test_settings_read_before_do_not_hide_an_unset_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ETL_ENVIRONMENT", "test")
    assert get_settings() is get_settings()
    monkeypatch.setenv("ETL_ENVIRONMENT", "production")
    assert get_settings().environment == "production"
    monkeypatch.delenv("ETL_ENVIRONMENT")
    with pytest.raises(EnvironmentNotSetError):
        get_settings()


def test_a_line_in_a_file_is_checked_and_never_selects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / ".env_test", "ETL_ENVIRONMENT=production\n")
    with pytest.raises(ConfigurationError, match=r"\.env_test:1: ETL_ENVIRONMENT differs"):
        Settings("test")
    with pytest.raises(EnvironmentNotSetError):
        Settings()
    monkeypatch.setenv("ETL_ENVIRONMENT", "production")
    assert Settings("test", DictConfigProvider()).environment == "test"
    with pytest.raises(ConfigurationError, match="ETL_ENVIRONMENT differs"):
        Settings("test", DictConfigProvider(env={"ETL_ENVIRONMENT": "production"}))


def test_all_that_is_missing_is_named_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        tmp_path / ".env_test",
        "TEST_OPENDENTAL_SOURCE_HOST=h\nTEST_MYSQL_REPLICATION_PORT=many\n"
        "TEST_POSTGRES_ANALYTICS_SSL_MODE=sometimes\n",
    )
    settings = Settings("test")
    with caplog.at_level(logging.ERROR, logger="etl_pipeline.config"):
        assert settings.validate_configs() is False
    for name in (
        *(f"TEST_OPENDENTAL_SOURCE_{key}" for key in ("DB", "USER", "PASSWORD")),
        *(f"TEST_MYSQL_REPLICATION_{key}" for key in ("HOST", "PORT", "DB", "USER", "PASSWORD")),
        *(f"TEST_POSTGRES_ANALYTICS_{key}" for key in ("HOST", "DB", "USER", "SSL_MODE")),
    ):
        assert name in caplog.text
    assert "TEST_OPENDENTAL_SOURCE_HOST" not in caplog.text
    with pytest.raises(FaultyConfigurationError) as caught:
        ConnectionFactory.get_source_connection(settings)
    assert len(caught.value.faults) == 3
    assert str(tmp_path / ".env_test") in str(caught.value)


def test_test_settings_are_complete_and_read_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ETL_ENVIRONMENT", "production")
    write(tmp_path / "pipeline.yml", "nonsense: true\n")
    write(tmp_path / ".env_test", "nonsense")
    settings = create_test_settings()
    assert settings.validate_configs() is True
    assert settings.get_replication_connection_config()["database"] == "test_opendental_replication"
    bare = create_test_settings(env_vars={"OPENDENTAL_SOURCE_HOST": "bare-host"})
    assert bare.get_source_connection_config()["host"] == "bare-host"


@pytest.mark.parametrize("wrong", ["source", None, PostgresSchema.RAW, 1])
def test_anything_but_the_enum_is_a_type_error(wrong: Any) -> None:
    settings = create_test_settings()
    with pytest.raises(TypeError, match="expected DatabaseType"):
        settings.get_database_config(wrong)
    if wrong is not None and not isinstance(wrong, PostgresSchema):
        with pytest.raises(TypeError, match="expected PostgresSchema"):
            settings.get_database_config(DatabaseType.ANALYTICS, wrong)
        with pytest.raises(TypeError, match="expected PostgresSchema"):
            ConnectionFactory.get_analytics_connection(settings, wrong)


def test_a_schema_for_the_source_is_ignored() -> None:
    config = create_test_settings().get_database_config(DatabaseType.SOURCE, PostgresSchema.RAW)
    assert "schema" not in config


def test_building_an_engine_touches_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    settings = create_test_settings(env_vars={"TEST_OPENDENTAL_SOURCE_HOST": "test-host"})
    assert ConnectionFactory.get_source_connection(settings).url.host == "test-host"
    ConnectionFactory.get_replication_connection(settings)
    ConnectionFactory.get_analytics_raw_connection(settings)


def test_three_attempts_in_all() -> None:
    # That the waits are d and 2d is tested with the manager.
    assert Pace().attempts == 3


def test_spacing_is_100_ms_unless_changed() -> None:
    assert Pace().spacing_seconds == 0.1
    with pytest.raises(ValueError, match="below 0"):
        Pace(spacing_seconds=-1)


@pytest.mark.parametrize("environment", ["production", "test"])
def test_any_provider_serves_any_environment(environment: str, tmp_path: Path) -> None:
    for provider in (DictConfigProvider(), FileConfigProvider(tmp_path)):
        assert Settings(environment, provider).environment == environment


def test_files_lie_in_the_providers_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / ".env_production", PRODUCTION_FILE)
    given = Settings("production", FileConfigProvider(tmp_path))
    assert given.validate_configs() is True
    assert Settings("production").validate_configs() is True  # the current directory
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("ETL_CONFIG_DIR", str(tmp_path / "other"))
    assert Settings("production").validate_configs() is False
    write(tmp_path / "other" / "tables.yml", "tables: {patient: {}}")
    other = Settings("production")
    assert (other.tables(), other.pipeline_config) == (("patient",), {})


def test_a_provider_hears_the_environment_before_it_is_asked() -> None:
    class Listening(ConfigProvider):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def select_environment(self, environment: str) -> None:
            self.heard.append(environment)

        def get_config(self, config_type: str) -> dict[str, Any]:
            self.heard.append(config_type)
            return {}

    provider = Listening()
    Settings("test", provider)
    assert provider.heard == ["test", "pipeline", "tables", "env"]


def test_the_schema_is_raw_unless_named_and_must_be_one_of_ours() -> None:
    assert create_test_settings().get_analytics_connection_config()["schema"] == "raw"
    name = "TEST_POSTGRES_ANALYTICS_SCHEMA"
    marts = create_test_settings(env_vars={name: "marts"})
    assert marts.get_analytics_connection_config()["schema"] == "marts"
    wrong = create_test_settings(env_vars={name: "Mart"})
    with pytest.raises(ConfigurationError, match=f"{name}: expected one of raw, staging"):
        wrong.get_analytics_connection_config()
    with pytest.raises(ConfigurationError, match=f"fix: {name}=marts"):
        ConnectionFactory.get_analytics_raw_connection(wrong)
    assert wrong.validate_configs() is False


def test_the_port_is_optional_and_an_int() -> None:
    settings = create_test_settings(env_vars={"TEST_MYSQL_REPLICATION_PORT": "3310"})
    assert settings.get_source_connection_config()["port"] == 3306
    assert settings.get_replication_connection_config()["port"] == 3310
    assert settings.get_analytics_connection_config()["port"] == 5432


@pytest.mark.parametrize("port", ["0", "65536", "-1", "3306.0", "三", "x", "1e3", "9" * 5000])
def test_a_port_that_is_none_is_an_error(port: str) -> None:
    settings = create_test_settings(env_vars={"TEST_MYSQL_REPLICATION_PORT": port})
    with pytest.raises(ConfigurationError, match="expected a port from 1 to 65535"):
        settings.get_replication_connection_config()


def test_beyond_error_classes() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(EnvironmentNotSetError, ConfigurationError)
    assert not issubclass(DatabaseError, ValueError)


def test_beyond_configurations_are_the_callers_own() -> None:
    settings = create_test_settings(
        pipeline_config={"connections": {"source": {"pool_size": 7}}},
        tables_config={"tables": {"patient": {}}},
    )
    before = pickle.dumps(
        [settings.get_source_connection_config(), settings.pipeline_config, settings.tables_config]
    )
    settings.get_source_connection_config()["host"] = "changed"
    settings.pipeline_config["connections"]["source"]["pool_size"] = 1
    settings.tables_config["tables"].clear()
    after = pickle.dumps(
        [settings.get_source_connection_config(), settings.pipeline_config, settings.tables_config]
    )
    assert after == before


def test_beyond_injected_dictionaries_may_change_afterwards() -> None:
    pipeline = {"connections": {"source": {"pool_size": 7}}}
    env = source_env("TEST_")
    provider = DictConfigProvider(pipeline=pipeline, env=env)
    pipeline["connections"]["source"]["pool_size"] = 1
    env["TEST_OPENDENTAL_SOURCE_HOST"] = "changed"
    config = Settings("test", provider).get_source_connection_config()
    assert (config["pool_size"], config["host"]) == (7, "h")


def test_beyond_settings_are_shared_between_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_ENVIRONMENT", "test")
    with ThreadPoolExecutor(8) as executor:
        found = {id(settings) for settings in executor.map(lambda _: get_settings(), range(64))}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("host", "database", "is_same"),
    [
        ("localhost", "test_opendental", True),
        ("127.0.0.1", "test_opendental", True),
        ("::1", "TEST_OpenDental", True),
        ("LOCALHOST.", "test_opendental", True),
        ("localhost", "test_opendental_replication", False),
        ("elsewhere", "test_opendental", False),
    ],
)
def test_beyond_one_database_for_both_is_refused(host: str, database: str, is_same: bool) -> None:
    settings = create_test_settings(
        env_vars={"TEST_MYSQL_REPLICATION_HOST": host, "TEST_MYSQL_REPLICATION_DB": database}
    )
    assert settings.validate_configs() is not is_same
    for make in (
        ConnectionFactory.get_source_connection,
        ConnectionFactory.get_replication_connection,
    ):
        if is_same:
            with pytest.raises(ConfigurationError, match="are the same database"):
                make(settings)
        else:
            make(settings)
    ConnectionFactory.get_analytics_raw_connection(settings)


def test_beyond_importing_reads_nothing_and_brings_no_driver(tmp_path: Path) -> None:
    program = (
        "import sys, builtins, io, os\n"
        "opened = []\n"
        "sys.addaudithook(lambda name, args: opened.append(str(args[0]))"
        " if name in ('open', 'socket.connect') else None)\n"
        "import etl_pipeline.config\n"
        "heavy = {'pymysql', 'psycopg', 'sqlalchemy', 'pydantic', 'ruamel.yaml', 'dotenv'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found\n"
        "assert not [path for path in opened if path.endswith('.yml') or '.env' in path]\n"
    )
    write(tmp_path / "pipeline.yml", "no: [yaml\n")
    root = str(Path(inspect.getfile(Settings)).parents[2])
    env = {"PYTHONPATH": root, "ETL_ENVIRONMENT": "nonsense", "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env=env)
