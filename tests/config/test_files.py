"""What files may hold, and how their faults are shown."""

from __future__ import annotations

import logging
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.config import DictConfigProvider, FileConfigProvider, Settings
from etl_pipeline.config.checking import check_data
from etl_pipeline.config.env_file import parse_env_text
from etl_pipeline.config.pipeline_file import PipelineConfig
from etl_pipeline.config.providers import DEFAULTS
from etl_pipeline.config.tables_file import TablesConfig
from etl_pipeline.config.yaml_file import parse_yaml
from etl_pipeline.errors import ConfigurationError, FaultyConfigurationError
from tests.config.test_guide import write

if TYPE_CHECKING:
    import time
from pathlib import Path

PASSWORD = "TEST_OPENDENTAL_SOURCE_PASSWORD"


def read_password(line: str) -> str | None:
    values, faults = parse_env_text(line, "test", where=".env_test")
    assert not faults
    return values.get(PASSWORD)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("pa$$w$ord", "pa$$w$ord"),
        ("${HOME}$PATH", "${HOME}$PATH"),
        ("'single # ${HOME}'", "single # ${HOME}"),
        ('"double # = \\" end"', 'double # = " end'),
        ("a=b==", "a=b=="),
        ("a#b", "a#b"),
        ("a #b", "a"),
        ("  spaced  ", "spaced"),
        ("'  kept  '", "  kept  "),
        ("ä漢字", "ä漢字"),
    ],
)
def test_values_are_as_python_dotenv_defines(text: str, value: str) -> None:
    assert read_password(f"{PASSWORD}={text}\n") == value
    assert read_password(f"export {PASSWORD}={text}\r\n") == value


@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1))
def test_any_password_survives_single_quotes(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    assert read_password(f"{PASSWORD}='{quoted}'") == password


def test_all_faults_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    write(
        tmp_path / ".env_test",
        "\n# comment\nTEST_OPENDENTAL_SOURCE_HOTS=hunter2\nOPENDENTAL_SOURCE_DB=hunter2\n\n\n"
        f"{PASSWORD}='hunter2\nUNRELATED=fine\nTEST_MYSQL_REPLICATION_DB=hunter2\n"
        "TEST_MYSQL_REPLICATION_DB=hunter2\nETL_ENVIRONMENT=production\n",
    )
    with pytest.raises(FaultyConfigurationError) as caught:
        Settings("test", FileConfigProvider(tmp_path))
    shown = str(caught.value)
    assert "hunter2" not in shown
    path = str(tmp_path / ".env_test")
    assert [fault.where for fault in caught.value.faults] == [
        f"{path}:{line}" for line in (3, 4, 7, 10, 11)
    ]
    assert "did you mean TEST_OPENDENTAL_SOURCE_HOST?" in shown
    assert "belongs to the environment production" in shown
    assert "set twice, first in line 9" in shown
    assert "expected NAME=value" in shown


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o400, False), (0o640, True)])
def test_a_file_that_others_may_read_draws_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warns: bool
) -> None:
    path = tmp_path / ".env_test"
    write(path, f"{PASSWORD}=hunter2\n")
    path.chmod(mode)
    with caplog.at_level(logging.WARNING, logger="etl_pipeline.config"):
        Settings("test", FileConfigProvider(tmp_path))
    assert (f"chmod 600 {path}" in caplog.text) is warns
    assert "hunter2" not in caplog.text
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_faults_of_all_files_come_together(tmp_path: Path) -> None:
    write(
        tmp_path / "pipeline.yml",
        "connections:\n  source:\n    pool_sise: 5\n    connect_timeout: soon\n"
        "  analytics:\n    read_timeout: 5\ngeneral:\n  parallel_tables: 0\n",
    )
    write(
        tmp_path / "tables.yml",
        "tables:\n  patient:\n    extraction_strategy: incremetal\n"
        "    batch_size: true\n  42:\n    estimated_rows: -1\n",
    )
    write(tmp_path / ".env_test", "OPENDENTAL_SOURCE_DB=d\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings("test", FileConfigProvider(tmp_path))
    shown = str(caught.value)
    for expected in (
        "pipeline.yml:3: connections.source.pool_sise: unknown key\n",
        "fix: did you mean pool_size?",
        "pipeline.yml:4: connections.source.connect_timeout: expected a whole number, got text",
        "pipeline.yml:6: connections.analytics.read_timeout: unknown key",
        "pipeline.yml:8: general.parallel_tables: expected at least 1",
        "tables.yml:3: tables.patient.extraction_strategy: expected one of 'full_table',",
        "did you mean incremental?",
        "tables.yml:4: tables.patient.batch_size: expected a whole number, got true or false",
        "tables.yml:5: tables.42: expected text, got a whole number",
        ".env_test:1: OPENDENTAL_SOURCE_DB belongs to the environment production",
    ):
        assert expected in shown, shown


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "general:\n  parallel_tables: 1\n  parallel_tables: 2\n",
            ":3: general.parallel_tables is given twice",
        ),
        ("a: [1\nb: 2\n", "this is not YAML"),
        ("a: 1\n\tb: 2\n", "this is not YAML"),
        ("- a\n- b\n", ":1: expected a mapping of keys to values"),
        ("just text", "expected a mapping"),
        ("a: !!python/object:os.system x\n", "this is not YAML"),
        ("a: *nowhere\n", "this is not YAML"),
        ("a: \x07\n", "this is not YAML"),
        ("a: 1\n---\nb: 2\n", "this is not YAML"),
    ],
)
def test_broken_yaml_is_told_with_its_file(tmp_path: Path, content: str, expected: str) -> None:
    write(tmp_path / "pipeline.yml", content)
    with pytest.raises(ConfigurationError) as caught:
        Settings("test", FileConfigProvider(tmp_path))
    assert expected in str(caught.value)
    assert str(tmp_path / "pipeline.yml") in str(caught.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yml").write_bytes(b"a: \xff\xfe")
    (tmp_path / "tables.yml").mkdir()
    (tmp_path / ".env_test").write_bytes(b"A=\xff")
    with pytest.raises(FaultyConfigurationError) as caught:
        Settings("test", FileConfigProvider(tmp_path))
    assert len(caught.value.faults) == 3


def bomb(key: str) -> str:
    """Ten values, ten times as many in each line that follows: a thousand million in ten lines."""
    lines = [f"a0: &a0 [{', '.join(['x'] * 10)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join([*lines, f"{key}: *a9"])


MERGED = "\n".join(
    [
        "a0: &a0 {k: v}",
        *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)),
    ]
)


@pytest.mark.parametrize(
    "text",
    [bomb("tables"), MERGED, "a: &a [*a]", "a: &a {b: {c: *a}}"],
    ids=["lists", "merged", "itself", "inside itself"],
)
def test_aliases_that_make_too_much_are_refused_at_once(text: str) -> None:
    started = time.monotonic()
    parsed = parse_yaml(text, where="tables.yml")
    assert time.monotonic() - started < 5
    (fault,) = parsed.faults
    assert fault.where == "tables.yml"
    assert fault.what.startswith("aliases")


def test_an_alias_that_is_used_a_few_times_is_read() -> None:
    text = "rules: &rules {overlap: 5}\ntables: {a: *rules, b: *rules, c: {<<: *rules}}"
    tables = parse_yaml(text, where="tables.yml").data["tables"]
    assert tables["a"] == tables["b"] == tables["c"] == {"overlap": 5}


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    parsed = parse_yaml(text, where="pipeline.yml")
    assert isinstance(parsed.data, dict)
    assert all(fault.where.startswith("pipeline.yml") for fault in parsed.faults)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["connections", "source", "pool_size", "general", "tables", "x", "ssl_mode"])


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES))))
def test_any_data_is_a_model_or_has_faults(data: dict[str, Any]) -> None:
    for model in (PipelineConfig, TablesConfig):
        checked, faults = check_data(model, data, lambda path: ".".join(map(str, path)))
        assert (checked is None) == bool(faults)
        assert all(fault.fix for fault in faults)


@pytest.mark.parametrize(
    ("data", "fix"),
    [
        ({"general": {"parallel_tables": "x"}}, "for example parallel_tables: "),
        ({"connections": {"source": {"connect_timeout": None, "ssl_mode": "tls"}}}, "ssl_mode: "),
        ({"general": []}, "write what belongs there below it, indented: parallel_tables"),
        ({"connections": "x"}, "indented: source, replication, analytics"),
    ],
)
def test_a_wrong_value_is_shown_a_right_one(data: dict[str, Any], fix: str) -> None:
    _, faults = check_data(PipelineConfig, data, str)
    assert fix in faults[-1].fix
    _, (of_name,) = check_data(TablesConfig, {"tables": {42: {}}}, str)
    assert of_name.fix == "quote the name: '42'"


def test_dictionaries_are_checked_by_the_same_models() -> None:
    provider = DictConfigProvider(pipeline={"general": {"parallel_table": 1}})
    with pytest.raises(ConfigurationError, match="did you mean parallel_tables"):
        Settings("test", provider)


def test_sections_without_keys_are_empty(tmp_path: Path) -> None:
    write(tmp_path / "pipeline.yml", "connections:\n  source:\ngeneral:\n")
    write(tmp_path / "tables.yml", "tables:\n  patient:\n  appointment: {}\n")
    settings = Settings("test", FileConfigProvider(tmp_path))
    assert settings.tables() == ("patient", "appointment")
    assert settings.pipeline == PipelineConfig()
    assert settings.pipeline.source.max_seconds_per_statement == 2
    assert settings.get_table_config("other").table_importance == "standard"


def test_the_defaults_in_the_package_say_what_the_code_does() -> None:
    for name, model in (("pipeline", PipelineConfig), ("tables", TablesConfig)):
        text = (DEFAULTS / f"{name}.yml").read_text()
        assert parse_yaml(text, where=name).data == {}
        # The commented example is valid as well.
        lines = [line.removeprefix("# ").removeprefix("#") for line in text.splitlines()]
        start = next(i for i, line in enumerate(lines) if line.rstrip().endswith(":"))
        example = parse_yaml("\n".join(lines[start:]), where=name)
        checked, faults = check_data(model, example.data, str)
        assert not faults
        assert checked != model()
