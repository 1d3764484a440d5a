"""Small disks are full when they say so, lines go dark, and what a killed session left is swept."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from etl_pipeline.demo.server_processes import Account
from tests.faults.places import (
    NAME,
    open_network,
    small_disk,
    sweep,
    why_no_disk,
    why_no_network,
)

OWNER = Account(0, 0, is_other=False)
LEAVE = """
import os, signal, sys
from pathlib import Path
from tests.faults.places import open_network, small_disk
from tests.faults.test_places import OWNER
with small_disk(Path(sys.argv[1]), OWNER), open_network() as network:
    network.lay("source")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def skip_without(*reasons: str | None) -> None:
    for reason in reasons:
        if reason:
            pytest.skip(reason)


def test_a_small_disk_is_full_and_empty_again(tmp_path: Path) -> None:
    skip_without(why_no_disk())
    (tmp_path / "there").write_text("before")
    with small_disk(tmp_path, OWNER) as disk:
        assert (tmp_path / "there").read_text() == "before"
        disk.fill()
        with pytest.raises(OSError, match="No space"):
            (tmp_path / "more").write_bytes(bytes(4096))
        disk.empty()
        (tmp_path / "more").write_bytes(bytes(4096))
    assert not (tmp_path / "more").exists()


def test_a_line_of_a_network_goes_dark_and_comes_back() -> None:
    skip_without(why_no_network())
    with open_network() as network:
        address = network.lay("source")
        with socket.create_server((address, 0)) as server:
            server.settimeout(10)
            port = server.getsockname()[1]

            def is_reached(seconds: float) -> bool:
                code = f"import socket; socket.create_connection(('{address}', {port}), {seconds})"
                words = ["ip", "netns", "exec", network.name, sys.executable, "-c", code]
                return subprocess.run(words, capture_output=True).returncode == 0

            assert is_reached(10)
            network.darken("source")
            assert not is_reached(0.5)
            network.lighten("source")
            assert is_reached(10)
            network.unplug("source")
            assert not is_reached(0.5)
    assert (
        network.name not in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
    )


def test_what_a_killed_session_left_is_swept(tmp_path: Path) -> None:
    skip_without(why_no_disk(), why_no_network())
    killed = subprocess.Popen([sys.executable, "-c", LEAVE, str(tmp_path)])
    assert killed.wait(60) == -signal.SIGKILL
    name = f"{NAME}{killed.pid}"

    def left() -> list[bool]:
        networks = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
        return [name in networks, os.path.ismount(tmp_path)]

    assert left() == [True, True]
    sweep()
    assert left() == [False, False]
