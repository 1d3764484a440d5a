"""The examples of the two documents run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.config import FileConfigProvider, Settings, reset_settings
from etl_pipeline.config.checking import check_data
from etl_pipeline.config.databases import (
    MYSQL_SSL_MODES,
    POSTGRES_SSL_MODES,
    list_variables,
)
from etl_pipeline.config.pipeline_file import PipelineConfig
from etl_pipeline.config.tables_file import TablesConfig
from etl_pipeline.config.yaml_file import parse_yaml
from etl_pipeline.core import ConnectionFactory
from tests.config.test_guide import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Lab

DOCS = Path(__file__).parents[2] / "docs"
ARCHITECTURE = (DOCS / "connection_architecture.md").read_text(encoding="utf-8")
SETUP = (DOCS / "environment_setup.md").read_text(encoding="utf-8")


def find_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The examples' files, as a reader would copy them."""
    for content in find_blocks(SETUP, "dotenv"):
        environment = content.partition("\n")[0].removeprefix("ETL_ENVIRONMENT=")
        write(tmp_path / f".env_{environment}", content)
    pipeline, tables = find_blocks(ARCHITECTURE, "yaml")
    write(tmp_path / "pipeline.yml", pipeline)
    write(tmp_path / "tables.yml", tables)
    monkeypatch.setenv("ETL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("ETL_ENVIRONMENT", "test")
    reset_settings()
    yield tmp_path
    reset_settings()


def test_python_blocks_run_in_order(folder: Path, lab: Lab) -> None:
    with lab.source.cursor() as cursor:
        cursor.execute("CREATE TABLE patient (PatNum BIGINT PRIMARY KEY, DateTStamp DATETIME)")
    namespace: dict[str, Any] = {}
    blocks = find_blocks(ARCHITECTURE, "python")
    assert len(blocks) >= 6
    for block in blocks:
        if "create_connection_manager(source)" in block:
            namespace["source"] = ConnectionFactory.get_source_connection(lab.settings)
        exec(compile(block, "connection_architecture.md", "exec"), namespace)
    namespace["source"].dispose()


@pytest.mark.parametrize("environment", ["production", "test"])
def test_copied_files_are_complete(folder: Path, environment: str) -> None:
    settings = Settings(environment, FileConfigProvider(folder))
    assert settings.validate_configs() is True
    assert settings.get_source_connection_config()["password"] == "change me"


def test_every_name_and_key_is_documented() -> None:
    for environment in ("production", "test"):
        for name in list_variables(environment):
            if "_SSL_" not in name:
                assert f"\n{name}=" in SETUP
    for mode in (*MYSQL_SSL_MODES, *POSTGRES_SSL_MODES):
        assert f"`{mode}`" in SETUP
    connections = PipelineConfig().connections
    for key in {*type(connections.source).model_fields, *type(connections.analytics).model_fields}:
        assert f"`{key}`" in ARCHITECTURE
    pipeline, tables = (parse_yaml(text, where="x") for text in find_blocks(ARCHITECTURE, "yaml"))
    assert check_data(PipelineConfig, pipeline.data, str)[1] == []
    assert check_data(TablesConfig, tables.data, str)[1] == []
