"""``etl --version`` says what is installed, and which kernel works; the shell completes names."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from etl_pipeline import __version__
from etl_pipeline.transfer.kernel import IS_COMPILED

if TYPE_CHECKING:
    from pathlib import Path


def test_version_names_the_kernel() -> None:
    command = [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.startswith(f"etl_pipeline {__version__} (kernel ")
    assert ("compiled" in shown.split("(")[1][:16]) == IS_COMPILED
    names = [line.split()[0] for line in shown.splitlines()]
    assert names == [
        "etl_pipeline",
        "Python",
        "PyMySQL",
        "psycopg",
        "SQLAlchemy",
        "pydantic",
        "dbt-core",
        "dbt-postgres",
        "libpq",
        "state",
    ]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("etl ru", ["run"]),
        ("etl config s", ["show", "schema"]),
        ("etl run pat", ["patient", "patplan"]),
        ("etl verify patient pr", ["procedurelog"]),
        ("etl run --fu", ["--full"]),
        ("etl run x", []),
    ],
)
def test_the_shell_completes_commands_options_and_tables(
    tmp_path: Path, typed: str, completed: list[str]
) -> None:
    (tmp_path / "tables.yml").write_text("tables: {patient: {}, patplan: {}, procedurelog: {}}")
    env = {
        "_ETL_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
        "ETL_CONFIG_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (completed, "")


def test_a_broken_file_completes_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "tables.yml").write_text("tables: [")
    from etl_pipeline.cli.shell import complete_table

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETL_CONFIG_DIR", str(tmp_path))
        assert complete_table("p") == []
