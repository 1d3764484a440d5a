"""Who hears of a run, what they get, and that a run does not fail because nobody answers."""

from __future__ import annotations

import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.cli.notification import notifying_of_end
from etl_pipeline.config import create_test_settings
from etl_pipeline.config.pipeline_file import Notify
from etl_pipeline.errors import DatabaseError
from etl_pipeline.pipeline.notify import ATTEMPTS, notify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEEP = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"


class Hook:
    """A server that keeps what is posted to it, and answers with *status*."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/json"
                hook.got.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/S3CRET"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, args=[0.01])
    thread.start()
    yield hook
    hook.server.shutdown()
    thread.join()
    hook.server.server_close()


def tell(config: Notify, outcome: str = "failed") -> list[float]:
    """Notify, and return the waits between attempts."""
    waits: list[float] = []
    notify(config, outcome, '{"rows": 1}', sleep=waits.append)
    return waits


def test_a_command_gets_the_json_on_its_input(tmp_path: Path) -> None:
    file = tmp_path / "got"
    tell(Notify(command=[sys.executable, "-c", KEEP, str(file)]))
    assert json.loads(file.read_text()) == {"rows": 1}


def test_what_a_command_prints_is_no_part_of_the_result(capfd: pytest.CaptureFixture[str]) -> None:
    tell(Notify(command=[sys.executable, "-c", "print('told')"]))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "told\n")


def test_a_command_sees_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_OPENDENTAL_SOURCE_PASSWORD", "S3CRET")
    monkeypatch.setenv("POSTGRES_ANALYTICS_PASSWORD", "S3CRET")
    monkeypatch.setenv("MY_OWN", "kept")
    file = tmp_path / "got"
    code = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(str(dict(os.environ)))"
    tell(Notify(command=[sys.executable, "-c", code, str(file)]))
    assert "S3CRET" not in file.read_text()
    assert "MY_OWN" in file.read_text()


def test_a_webhook_gets_the_json(hook: Hook) -> None:
    assert tell(Notify(webhook=hook.url)) == []
    assert [json.loads(body) for body in hook.got] == [{"rows": 1}]


@pytest.mark.parametrize(
    ("when", "heard"),
    [
        ("failure", ["failed", "stopped"]),
        ("success", ["succeeded"]),
        ("always", ["succeeded", "failed", "stopped"]),
    ],
)
def test_only_the_ends_that_are_asked_for_are_told(hook: Hook, when: Any, heard: list[str]) -> None:
    for outcome in ("succeeded", "failed", "stopped"):
        before = len(hook.got)
        tell(Notify(when=when, webhook=hook.url), outcome)
        assert (len(hook.got) > before) == (outcome in heard)


def test_a_webhook_that_refuses_is_asked_again_and_then_warned_of(
    hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = 503
    assert len(tell(Notify(webhook=hook.url))) == ATTEMPTS - 1
    assert len(hook.got) == ATTEMPTS
    (record,) = caplog.records
    assert "status 503" in record.getMessage()
    assert "S3CRET" not in record.getMessage()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Notify(command=["/no/such/program"]), "could not be run"),
        (Notify(command=[sys.executable, "-c", "raise SystemExit(3)"]), "exit code 3"),
        (Notify(webhook="http://127.0.0.1:1/S3CRET"), "could not be reached"),
        (Notify(webhook="http://[nonsense/S3CRET"), "could not be reached"),
    ],
)
def test_what_cannot_be_told_is_a_warning(
    config: Notify, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    tell(config)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert words in record.getMessage()
    assert "S3CRET" not in record.getMessage()


@pytest.mark.parametrize(
    ("error", "outcome", "words"),
    [
        (DatabaseError("it is away", where="source", fix="wait"), "failed", "source: it is away"),
        (KeyboardInterrupt(), "stopped", "somebody stopped the run"),
        (ZeroDivisionError("a row's value"), "failed", "etl: a defect of this program"),
    ],
)
def test_a_run_that_could_not_begin_is_told_too(
    hook: Hook, error: BaseException, outcome: str, words: str
) -> None:
    settings = create_test_settings({"notify": {"webhook": hook.url}})
    with pytest.raises(type(error)), notifying_of_end(settings):
        raise error
    (body,) = hook.got
    got = json.loads(body)
    assert got["outcome"] == outcome
    assert got["error"].startswith(words)
    assert b"a row's value" not in body
