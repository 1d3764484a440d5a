"""A server of a bare image has no locale: names, files and folders are UTF-8 all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etl_pipeline.demo.servers import Servers
from tests.cli.conftest import COMMAND, Cli, open_cli, refuse_secrets
from tests.rows import make_table

BARE = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ROWS = (1, "Ωж"), (2, "é")

Etl = Callable[..., str]


@pytest.fixture
def bare(servers: Servers, tmp_path: Path) -> Iterator[Cli]:
    """A practice with names beyond ASCII, configured in a folder with such a name."""
    folder = tmp_path / "Größe-Ω"
    folder.mkdir()
    for cli in open_cli(servers, folder):
        make_table(
            cli.lab.source,
            "CREATE TABLE `Größe` (`Schlüssel` int PRIMARY KEY, `Länge` varchar(20), `übrig` int) "
            "DEFAULT CHARSET=utf8mb4",
            f"INSERT INTO `Größe` VALUES (1, '{ROWS[0][1]}', 1), (2, '{ROWS[1][1]}', 2)",
        )
        cli.configure(tables={"tables": {"Größe": {"columns": {"übrig": {"exclude": True}}}}})
        yield cli


@pytest.fixture
def etl(bare: Cli) -> Etl:
    """Run a command in that folder, and return what it prints on both streams."""

    def call(*arguments: str, code: int = 0) -> str:
        command = [*COMMAND, *arguments]
        done = subprocess.run(
            [word.encode() for word in command],
            env=bare.environment(BARE),
            cwd=bare.folder,
            capture_output=True,
            timeout=120,
            check=False,
        )
        stdout, stderr = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        refuse_secrets(stdout + stderr)
        assert done.returncode == code, stderr
        return stdout + stderr

    return call


def test_a_bare_locale_is_as_good_as_any(bare: Cli, etl: Etl) -> None:
    assert "→" in etl("--help")
    assert str(bare.folder) in etl("doctor")
    assert "Größe" in etl("discover", "--write")
    written = (bare.folder / "tables.yml").read_text(encoding="utf-8")
    assert "Größe:" in written
    assert "übrig: {exclude: true}" in written
    assert "Größe" in etl("plan", "Grö*")
    assert "Größe" in etl("run", "Größe")
    held = bare.lab.analytics.execute('SELECT "Schlüssel", "Länge" FROM raw."Größe"').fetchall()
    assert sorted(held) == list(ROWS)
    assert "Größe" in etl("status")
    assert "Größe" in etl("verify", "--deep")
    assert "did you mean Größe?" in etl("run", "Gröbe", code=2)
    assert str(bare.folder / "Neu-ö") in etl("init", "Neu-ö")
    assert (bare.folder / "Neu-ö" / ".env_test").exists()


def test_options_of_the_interpreter_stay() -> None:
    program = (
        "import json, sys; from etl_pipeline.cli.main import _begin_in_utf8; _begin_in_utf8(); "
        "print(json.dumps([sys.flags.utf8_mode, sys.warnoptions, sys.argv[1:]]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "Größe"],
        env=BARE,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert json.loads(done.stdout) == [1, ["error"], ["Größe"]]
