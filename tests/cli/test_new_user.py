"""A new user's first hour: from an empty folder to a run, with nothing but what the screens say.

Every screen is a file under ``expected``, to be read as that user would.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from etl_pipeline.setup.texts import quote_value
from tests.cli.conftest import COMMAND, Cli, open_cli
from tests.rows import make_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl_pipeline.demo.servers import Servers
    from tests.expected import Expected

STAMP = "timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp"
PRACTICE = {
    "patient": (f"LName varchar(100), Birthdate date, DateTStamp {STAMP}", "1, 'a', '0000-00-00'"),
    "appointment": (f"AptDateTime datetime, DateTStamp {STAMP}, KEY (DateTStamp)", "1, now()"),
    "securitylog": ("LogText text, LogDateTime datetime, KEY (LogDateTime)", "1, 'x', now()"),
    "zipcode": ("ZipCodeDigits varchar(20), City varchar(100)", "1, '97301', 'Salem'"),
}


@pytest.fixture
def user(servers: Servers, tmp_path: Path) -> Iterator[Cli]:
    for cli in open_cli(servers, tmp_path):
        for table, (columns, values) in PRACTICE.items():
            names = ["id", *(part.split()[0] for part in re.split(r", (?=[A-Z])", columns))]
            given = ", ".join(names[: values.count(",") + 1])
            make_table(
                cli.lab.source,
                f"CREATE TABLE {table} (id bigint PRIMARY KEY, {columns})",
                f"INSERT INTO {table} ({given}) VALUES ({values})",
            )
        yield cli


def type_in(user: Cli, words: str, **environment: str) -> tuple[int, str]:
    """The exit code, and all that a terminal would show, of a command of the user's."""
    variables = user.environment({"ETL_ENVIRONMENT": None, "ETL_CONFIG_DIR": None, **environment})
    done = subprocess.run(
        [*COMMAND, *words.split()[1:]],
        env=variables,
        cwd=user.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, without_figures(user.mask(done.stdout))


def without_figures(text: str) -> str:
    """*text* without what another server or another minute would show otherwise."""
    text = re.sub(r"(MariaDB|MySQL|PostgreSQL) [\d.]+", r"\1 N", text)
    # Oracle's MySQL has another name, and encrypts unasked.
    text = re.sub(r"(\.version +)MySQL N", r"\1MariaDB N", text)
    text = re.sub(r"((source|replication)\.tls +)encrypted, TLSv1\.\d",
                  r"\1not encrypted, and does not leave this machine", text)  # fmt: skip
    text = re.sub(r"[\d,.]+ (MB|kB)\b", r"N \1", text)
    text = re.sub(r"\d+ rows? +N (MB)", r"N rows  N \1", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?( UTC)?", "TIME", text)
    text = re.sub(r"[\d,.]+ s\b", "N s", text)
    text = re.sub(r"N(\.N)? s ago|\d+ \w+ ago", "N ago", text)
    text = re.sub(r"(oldest proof .*) \(\w+\)", r"\1 (TABLE)", text)
    lines = [re.sub(r"  +", "  ", line.rstrip()) for line in text.splitlines()]
    # Tables end in the order in which the machine gets them done.
    ended = sorted(line for line in lines if re.fullmatch(r"\w+  [\d,]+ rows? .*", line))
    if ended:
        lines = [*ended, *(line for line in lines if line not in ended)]
    return "\n".join(lines) + "\n"


def fill_in(user: Cli) -> None:
    """What the user does with an editor: the gaps of ``.env_test``."""
    path = user.folder / "config" / ".env_test"
    text = path.read_text()
    for name, value in user.env.items():
        gap = next(line for line in text.splitlines() if line.startswith(f"{name}="))
        text = text.replace(gap, f"{name}={quote_value(value)}")
    path.write_text(text)


def test_from_an_empty_folder_to_a_run(user: Cli, expected: Expected) -> None:
    code, shown = type_in(user, "etl init config", ETL_ENVIRONMENT="test")
    assert code == 0
    expected.check("new_user_1_init.txt", shown)
    # What the screen says to export, with the folder that was masked.
    said = re.search(r"export (\w+)=(\w+) (\w+)=FOLDER/config", shown)
    assert said
    exported = {said[1]: said[2], said[3]: str(user.folder / "config")}
    named = re.findall(r"^  (etl .+?)  #", shown, re.MULTILINE)
    assert named[:4] == ["etl doctor", "etl discover --write", "etl plan", "etl run"]
    assert named[4:] == ["etl verify --deep"]

    code, shown = type_in(user, "etl doctor", **exported)
    assert code == 1
    expected.check("new_user_2_doctor_before.txt", shown)
    fill_in(user)
    steps = [
        ("doctor", "etl doctor"),
        ("discover", "etl discover --write"),
        ("plan", "etl plan"),
        ("run", "etl run"),
        ("status", "etl status"),
        ("plan_after", "etl plan"),
    ]
    for number, (name, words) in enumerate(steps, 3):
        code, shown = type_in(user, words, **exported)
        assert code == 0, shown
        expected.check(f"new_user_{number}_{name}.txt", shown)
