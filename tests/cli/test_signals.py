"""Bars, Ctrl-C, SIGTERM, and readers that go away, with the real command."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import typer

from etl_pipeline.cli import shell
from tests.cli.conftest import Cli, refuse_secrets
from tests.rows import make_table, run_sql

STOPPED = "stopped: no table is left half-loaded; run again to go on\n"
STEER = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


class Terminal:
    """A pseudo-terminal of 100 columns, and what a person would see on it."""

    def __init__(self) -> None:
        self._master, self.side = os.openpty()
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))

    def read_to_end(self) -> str:
        """Everything that was written until the command closed its side."""
        os.close(self.side)
        text = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other side any more
            while block := os.read(self._master, 65536):
                text += block
        os.close(self._master)
        return text.decode()


def screen(text: str) -> tuple[list[str], bool]:
    """The lines that stand on a terminal after *text*, and whether it shows its cursor."""
    lines, row, column, cursor = [""], 0, 0, True
    position = 0
    while position < len(text):
        steer = STEER.match(text, position)
        if steer:
            position = steer.end()
            number, letter = steer.groups()
            if letter == "A":
                row = max(row - int(number or 1), 0)
            elif letter == "K":
                lines[row] = ""
            elif number == "?25":
                cursor = letter == "h"
            else:
                assert letter == "m", f"a control sequence that is not known here: {steer[0]!r}"
            continue
        character = text[position]
        position += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        else:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines], cursor


def start_on(terminal: Terminal, etl: Cli, *arguments: str) -> subprocess.Popen[str]:
    environment = etl.environment({"TERM": "xterm-256color", "COLUMNS": None})
    side = terminal.side
    return etl.start(
        *arguments, env=environment, stdin=side, stdout=side, stderr=side, start_new_session=True
    )


@contextlib.contextmanager
def stuck(etl: Cli) -> Iterator[None]:
    """Let the next run wait for a lock on ``raw.patient``; the others it can do."""
    run_sql(etl.lab.source, "UPDATE patient SET LName = CONCAT(LName, '.')")
    with etl.lab.analytics.transaction():
        etl.lab.analytics.execute("LOCK TABLE raw.patient IN ACCESS EXCLUSIVE MODE")
        yield


def wait_until_stuck(etl: Cli, process: subprocess.Popen[str]) -> None:
    user = etl.env["TEST_POSTGRES_ANALYTICS_USER"]
    for _ in range(300):
        row = etl.lab.analytics.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'",
            (user,),
        ).fetchone()
        etl.lab.analytics.execute("SELECT pg_stat_clear_snapshot()")
        if row and row[0]:
            return
        assert process.poll() is None, "the command ended before anything could be stopped"
        time.sleep(0.1)
    raise AssertionError("the run never came to the lock")


def test_bars_appear_and_leave_a_clean_terminal(etl: Cli) -> None:
    run_sql(
        etl.lab.source,
        f"GRANT INSERT ON `{etl.env['TEST_OPENDENTAL_SOURCE_DB']}`.* "
        f"TO `{etl.env['TEST_OPENDENTAL_SOURCE_USER']}`@`%`",
    )
    terminal = Terminal()
    process = start_on(terminal, etl, "run")
    text = terminal.read_to_end()
    assert process.wait() == 0
    refuse_secrets(text)
    drawn = STEER.sub("", text)
    assert "━" in drawn
    assert re.search(r"\d of 3 tables .*━ .* of ~\d+ rows", drawn)
    assert re.search(r"patient .*━ .* of ~\d+ rows", drawn)
    lines, cursor = screen(text)
    assert cursor
    assert not any("━" in line for line in lines)
    shown = etl.mask("\n".join(lines))
    assert shown.startswith("warning: source HOST:PORT/NAME: the user can write (INSERT ON")
    assert "Run 1 (test) succeeded: 3 of 3 tables equal (value)" in lines


def test_ctrl_c_leaves_a_clean_terminal(etl: Cli) -> None:
    assert etl("run").code == 0
    terminal = Terminal()
    with stuck(etl):
        process = start_on(terminal, etl, "run")
        wait_until_stuck(etl, process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 130
    lines, cursor = screen(terminal.read_to_end())
    assert cursor
    assert not any("━" in line for line in lines)
    assert [line for line in lines if line][-1] == STOPPED.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("debug", [False, True])
def test_a_signal_ends_a_run_that_can_be_run_again(
    etl: Cli, number: signal.Signals, debug: bool
) -> None:
    assert etl("run").code == 0
    with stuck(etl):
        process = etl.start("run", *(["--debug"] if debug else []))
        wait_until_stuck(etl, process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    refuse_secrets(stdout + stderr)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.endswith(STOPPED)
    assert etl("run").code == 0
    assert etl("verify", "--deep").code == 0


def test_ctrl_c_in_a_comparison_says_that_nothing_was_changed(etl: Cli) -> None:
    assert etl("run").code == 0
    with stuck(etl):
        process = etl.start("verify")
        wait_until_stuck(etl, process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.endswith("stopped: nothing was changed\n")


def test_pipes_get_plain_lines_whatever_the_environment_asks_for(etl: Cli) -> None:
    ended = etl("run", FORCE_COLOR="1", TTY_COMPATIBLE="1")
    assert ended.code == 0
    assert "\x1b" not in ended.stdout + ended.stderr
    assert sorted(line.split()[0] for line in ended.stderr.splitlines()) == [
        "codes",
        "patient",
        "sheetfield",
    ]


def test_json_alone_goes_to_stdout(etl: Cli) -> None:
    for command, key, words in (
        ("run", "outcome", "3 of 3 tables equal (value)"),
        ("verify", "equal", "3 of 3 tables: source = replication (value), raw as loaded"),
    ):
        ended = etl(command, "--json")
        assert ended.code == 0
        assert json.loads(ended.stdout)[key] in ("succeeded", True)
        assert words in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["run", "--json"], 0), (["verify"], 0), (["--version"], 0), (["--help"], 1)],
)
def test_a_reader_of_stdout_that_goes_away_is_no_error(
    etl: Cli, arguments: list[str], code: int
) -> None:
    etl("run")
    ended = _run_with_broken(etl, "stdout", arguments)
    assert ended.returncode == code
    for word in ("Error", "error", "Exception", "Traceback"):
        assert word not in ended.stderr


def test_a_reader_of_stderr_that_goes_away_stops_nothing(etl: Cli) -> None:
    ended = _run_with_broken(etl, "stderr", ["run", "--debug"])
    assert ended.returncode == 0
    assert "3 of 3 tables equal" in ended.stdout


def _run_with_broken(etl: Cli, name: str, arguments: list[str]) -> Any:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = etl.start(*arguments, **{name: writing})
        stdout, stderr = process.communicate(timeout=60)
    finally:
        os.close(writing)
    return subprocess.CompletedProcess(arguments, process.returncode, stdout or "", stderr or "")


def test_a_full_disk_under_stdout_is_an_error(etl: Cli) -> None:
    with Path("/dev/full").open("w") as full:
        process = etl.start("run", stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: stdout: the result could not be written" in stderr
    assert stderr.splitlines()[-1].startswith("  fix: ")


def test_another_encoding_is_no_error(etl: Cli) -> None:
    make_table(etl.lab.source, "CREATE TABLE `größe` (k int PRIMARY KEY)")
    ended = etl("run", PYTHONIOENCODING="ascii")
    assert ended.code == 0
    assert r"zero date \u2192 NULL" in ended.stdout
    assert etl("--help", PYTHONIOENCODING="ascii").code == 0


def test_exit_codes_of_runs_and_comparisons(etl: Cli) -> None:
    assert etl("verify").code == 1  # nothing was loaded yet
    assert etl("run").code == 0
    assert etl("verify").code == 0
    run_sql(etl.lab.source, "DELETE FROM patient WHERE PatNum = 2")
    assert etl("verify").code == 0  # the source moved on, and both copies are as loaded
    run_sql(etl.lab.replication, "UPDATE patient SET Birthdate = '1990-01-01'")
    assert etl("verify").code == 1
    assert etl("run", "sheetfield").code == 0
    assert etl("verify", "sheetfield").code == 0
    assert etl("verify", "patient", "--deep").code == 1


def test_debug_shows_every_step_of_ours_and_nothing_of_the_libraries(etl: Cli) -> None:
    lines = etl("run", "--debug").stderr.splitlines()
    assert any(line.startswith("debug: patient: replicate: 2 rows") for line in lines)
    assert any(line.startswith("debug: source ") and "connected" in line for line in lines)
    for line in lines:
        assert line.startswith("debug: ") or line.endswith(" s"), line
    assert not [line for line in lines if "SELECT" in line or "sqlalchemy" in line.lower()]


def test_an_error_met_while_ctrl_c_is_obeyed_is_part_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "log_to_stderr", lambda **_: shell.Log(holds=False))

    def command() -> None:
        with shell.exit_codes(debug=True):
            try:
                raise KeyboardInterrupt
            finally:
                raise pymysql.err.InterfaceError(0, "")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == STOPPED
