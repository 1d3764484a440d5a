"""``etl init``: what it writes reads back, holds no secret, and is never written twice."""

from __future__ import annotations

import configparser
import re
import shlex
import stat
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_pipeline.cli.init import screen
from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.config.databases import ENV_MAPPINGS, ENVIRONMENTS, DatabaseType
from etl_pipeline.config.env_file import parse_env_text
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.setup.folder import write_folder
from etl_pipeline.setup.texts import env_text, quote_value, schedule_text
from etl_pipeline.setup.urls import read_urls
from tests.cli.conftest import COMMAND, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.expected import Expected

URLS = (
    "mysql://reader:s%40c%2Fret@dental.example.com:3307/opendental",
    "mariadb://writer@copy.example.com/replication?ssl_mode=verify_identity&ssl-ca=/etc/ca.pem",
    "postgresql+psycopg://loader@[::1]:5433/analytics?sslmode=require",
)
texts = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_file_to_fill_in(expected: Expected, environment: str) -> None:
    text = env_text(environment, {})
    values, faults = parse_env_text(text, environment, where="x")
    assert not faults
    assert not any(value for name, value in values.items() if name.endswith("PASSWORD"))
    expected.check(f"env_{environment}.txt", text)


@settings(deadline=None)
@given(texts)
def test_any_value_reads_back_as_it_was(value: str) -> None:
    read, faults = parse_env_text(f"NAME={quote_value(value)}\n", "test", where="x")
    assert (read, faults) == ({"NAME": value}, [])


def test_every_variable_has_a_line() -> None:
    for environment in ENVIRONMENTS:
        text = env_text(environment, {})
        for names in ENV_MAPPINGS[environment].values():
            assert all(
                len(re.findall(rf"^(?:# )?{name}=", text, re.M)) == 1 for name in names.values()
            )


def test_urls_fill_the_file_of_their_environment(tmp_path: Path) -> None:
    write_folder(tmp_path, "production", read_urls(URLS, "production"))
    settings = Settings("production", FileConfigProvider(tmp_path))
    source, replication, analytics = map(settings.get_database_config, DatabaseType)
    assert str(source["password"]) == "s@c/ret"
    assert (source["host"], source["port"], source["user"]) == (
        "dental.example.com",
        3307,
        "reader",
    )
    assert (replication["port"], replication["ssl_mode"]) == (3306, "verify_identity")
    assert (analytics["host"], analytics["port"], analytics["ssl_mode"]) == ("::1", 5433, "require")
    assert [fault.what for fault in settings.find_faults()] == [
        "MYSQL_REPLICATION_PASSWORD is missing",
        "POSTGRES_ANALYTICS_PASSWORD is missing",
    ]


@settings(deadline=None)
@given(texts, texts)
def test_any_user_and_password_of_a_url_arrive(user: str, password: str) -> None:
    url = f"mysql://{quote(user, safe='')}:{quote(password, safe='')}@h/d"
    values = read_urls([url, "mysql://h/d", "postgresql://h/d"], "test")
    assert values["TEST_OPENDENTAL_SOURCE_USER"] == user
    assert values["TEST_OPENDENTAL_SOURCE_PASSWORD"] == password


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (0, "postgresql://u:S3CRET@h/d"),
        (2, "mysql://u:S3CRET@h/d"),
        (1, "S3CRET"),
        (1, "mysql://u:S3CRET@/d"),
        (0, "mysql://u:S3CRET@h:many/d"),
        (0, "mysql://u:S3CRET@[h/d"),
        (2, "postgresql://u:p@h/d?password=S3CRET"),
    ],
)
def test_a_wrong_url_is_named_and_not_quoted(place: int, url: str) -> None:
    urls = [url if place == index else good for index, good in enumerate(URLS)]
    with pytest.raises(ConfigurationError) as caught:
        read_urls(urls, "test")
    assert ("source", "replication", "analytics")[place] in str(caught.value)
    assert "S3CRET" not in str(caught.value)


def test_files_are_private_and_never_overwritten(tmp_path: Path, expected: Expected) -> None:
    folder = tmp_path / "new"
    first = write_folder(folder, None, {})
    assert all(one.is_new for one in first)
    modes = {one.path.name: stat.S_IMODE(one.path.stat().st_mode) for one in first}
    assert (modes[".env_production"], modes[".env_test"]) == (0o600, 0o600)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for one in first:
        one.path.write_text("mine")
    again = write_folder(folder, None, {})
    assert not any(one.is_new for one in again)
    assert {one.path.read_text() for one in again} == {"mine"}
    for name, files in (("first", first), ("again", again)):
        shown = screen(folder, files, "test").replace(str(folder), "FOLDER")
        expected.check(f"init_{name}.txt", shown + "\n")


def test_urls_for_a_file_that_is_there_write_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env_test").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="not overwritten"):
        write_folder(tmp_path, "test", read_urls(URLS, "test"))
    assert [path.name for path in tmp_path.iterdir()] == [".env_test"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_folder(tmp_path / "file" / "config", None, {})


def test_the_schedule(expected: Expected) -> None:
    text = schedule_text("/srv/etl/.venv/bin/etl", "/srv/etl/config", "production", "etl")
    expected.check("schedule.txt", text)


def test_the_command_prints_the_schedule_of_this_program_and_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "init", "--schedule"],
        env={"PYTHONPATH": str(ROOT), "ETL_ENVIRONMENT": "test", "LC_ALL": "C.UTF-8"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Environment=ETL_CONFIG_DIR={tmp_path}" in done.stdout
    (program,) = re.findall(r"^ExecStart=(\S+) run$", done.stdout, re.MULTILINE)
    assert program.startswith("/")
    assert list(tmp_path.iterdir()) == []


def test_the_schedule_survives_unusual_paths() -> None:
    text = schedule_text("/srv/my etl/100%/etl", '/srv/it\'s "mine" $HOME', "test", "etl")
    service = text.split("etl-test.service:\n", 1)[1].split("#", 1)[0]
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(service)
    assert unit["Service"]["ExecStart"] == '"/srv/my etl/100%%/etl" run'
    (line,) = (line for line in text.splitlines() if line.startswith("15 2 "))
    assert not re.search(r"(?<!\\)%", line)  # cron ends the command there
    words = shlex.split(line.replace("\\%", "%"))
    assert words[5:] == [
        "ETL_ENVIRONMENT=test",
        'ETL_CONFIG_DIR=/srv/it\'s "mine" $HOME',
        "/srv/my etl/100%/etl",
        "run",
        "--quiet",
    ]
