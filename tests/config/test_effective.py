"""``etl config show``: every value that holds, where it came from, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl_pipeline.cli.config import screen
from etl_pipeline.config import FileConfigProvider, Settings, create_test_settings
from etl_pipeline.config.effective import Effective, list_effective
from etl_pipeline.config.pipeline_file import PipelineConfig
from etl_pipeline.errors import FaultyConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.expected import Expected

ENV = """\
# Where the databases are
TEST_OPENDENTAL_SOURCE_HOST=dental.example.com

TEST_OPENDENTAL_SOURCE_DB=opendental
export TEST_OPENDENTAL_SOURCE_USER=reader
TEST_OPENDENTAL_SOURCE_PASSWORD='S3CRET
of two lines'
TEST_OPENDENTAL_SOURCE_SSL_CA=/etc/ssl/ca.pem
"""
PIPELINE = """\
connections:
  source:
    pool_size: 9
    ssl_ca: /etc/ssl/other.pem

  analytics:
general:
  parallel_tables: 3
"""
TABLES = """\
tables:
  patient:
  userod:
    table_importance: critical
    columns:
      Password: {exclude: true}
"""


def write_files(folder: Path, **texts: str) -> Settings:
    for name, text in texts.items():
        path = folder / (".env_test" if name == "env" else f"{name}.yml")
        path.touch(mode=0o600)
        path.write_text(text)
    return Settings("test", FileConfigProvider(folder))


def test_every_value_names_its_file_and_line_or_its_default(
    tmp_path: Path, expected: Expected
) -> None:
    settings = write_files(tmp_path, env=ENV, pipeline=PIPELINE, tables=TABLES)
    values = list_effective(settings)
    assert "S3CRET" not in screen(values)
    parts = ("connections.", "general.parallel", "tables.")
    shown = screen([one for one in values if one.key.startswith(parts)])
    expected.check("effective_of_files.txt", shown + "\n")


def test_every_key_of_the_pipeline_is_shown() -> None:
    shown = {one.key: one for one in list_effective(create_test_settings())}
    for section, field in PipelineConfig.model_fields.items():
        if section != "connections":
            for key in type(field.default).model_fields:
                assert shown[f"{section}.{key}"].origin == "default"


def test_without_files_values_come_from_the_environment_and_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MYSQL_REPLICATION_PASSWORD", "S3CRET")
    values = list_effective(write_files(tmp_path))
    assert Effective("connections.replication.password", "***", "environment") in values
    assert Effective("tables", "every table of the source", "default") in values
    assert {one.origin for one in values} == {"environment", "default", "missing"}


def test_what_is_shown_is_what_is_used() -> None:
    settings = create_test_settings(
        pipeline_config={"connections": {"analytics": {"pool_size": 7}}}
    )
    shown = {one.key: one.value for one in list_effective(settings)}
    used = settings.get_analytics_connection_config()
    for key, value in used.items():
        assert shown[f"connections.analytics.{key}"] == ("***" if key == "password" else str(value))


def test_a_malformed_value_is_a_fault_as_everywhere(tmp_path: Path) -> None:
    settings = write_files(tmp_path, env="TEST_OPENDENTAL_SOURCE_PORT=many\n")
    with pytest.raises(FaultyConfigurationError, match="PORT"):
        list_effective(settings)
