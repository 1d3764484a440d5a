"""Small disks and a network of the campaigns' own. They take root, and leave nothing behind."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from etl_pipeline.demo.server_processes import Account

NAME = "etl_faults_"
"""What our mounts and namespaces are called, with the process that they belong to behind it."""
DISK_BYTES = 96 << 20
FILLER = "filler"


def why_no_disk() -> str | None:
    """Why no small disk can be made here; None where it can."""
    if os.geteuid() != 0:
        return "small disks take root"
    return None if shutil.which("mount") else "small disks take mount"


def why_no_network() -> str | None:
    """Why no network can be made here; None where it can."""
    if os.geteuid() != 0:
        return "a network of one's own takes root"
    if not shutil.which("ip"):
        return "a network of one's own takes iproute2"
    tried = f"{NAME}{os.getpid()}_tried"
    if subprocess.run(["ip", "netns", "add", tried], capture_output=True).returncode:
        return "this machine lets nobody make a network"
    _run("ip", "netns", "del", tried)
    return None


def sweep() -> None:
    """Remove mounts and networks of sessions that were killed."""
    if os.geteuid() != 0:
        return
    for line in Path("/proc/mounts").read_text().splitlines():
        source, point, *_ = line.split()
        if _is_abandoned(source):
            subprocess.run(["umount", "--lazy", point], capture_output=True)
    if shutil.which("ip"):
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
        for name in (line.split()[0] for line in listed.splitlines() if line):
            if _is_abandoned(name):
                subprocess.run(["ip", "netns", "del", name], capture_output=True)


@contextlib.contextmanager
def small_disk(path: Path, owner: Account) -> Iterator[SmallDisk]:
    """A disk of its own at *path*, with what was there."""
    left = {each.name: each.read_bytes() for each in path.iterdir()} if path.is_dir() else {}
    path.mkdir(exist_ok=True)
    options = f"size={DISK_BYTES},mode=700,uid={owner.uid},gid={owner.gid}"
    _run("mount", "-t", "tmpfs", "-o", options, f"{NAME}{os.getpid()}", str(path))
    try:
        for name, content in left.items():
            (path / name).write_bytes(content)
            os.chown(path / name, owner.uid, owner.gid)
        yield SmallDisk(path)
    finally:
        # Servers may still have files there; it is gone when they are.
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True)


class SmallDisk:
    """A disk that can be filled to its last byte, and emptied again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Take all room that is left."""
        block = bytes(1 << 20)
        with (self.path / FILLER).open("wb", buffering=0) as file:
            while len(block) >= 512:
                try:
                    if file.write(block) < len(block):
                        block = block[: len(block) // 2]
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    block = block[: len(block) // 2]

    def empty(self) -> None:
        """Give it back."""
        (self.path / FILLER).unlink(missing_ok=True)


class Network:
    """A namespace with a line of its own to each role; its end of a line can go dark.

    Attributes:
        name: Of the namespace.
    """

    def __init__(self) -> None:
        self.name = f"{NAME}{os.getpid()}"
        # A range for measurements, which nobody's network has.
        self._net = f"198.18.{os.getpid() % 250}"
        self._lines: dict[str, int] = {}

    def lay(self, role: str) -> str:
        """Lay a line for *role*; the address at this side of it."""
        number = self._lines[role] = len(self._lines)
        here, there = self._ends(number)
        ours, theirs = self._addresses(number)
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        _run("ip", "addr", "add", f"{ours}/30", "dev", here)
        _run("ip", "link", "set", here, "up")
        _run("ip", "-n", self.name, "addr", "add", f"{theirs}/30", "dev", there)
        _run("ip", "-n", self.name, "link", "set", there, "up")
        return ours

    def darken(self, role: str) -> None:
        """Send every packet of the line, in both directions, to a machine that is not there."""
        number = self._lines[role]
        here, there = self._ends(number)
        ours, theirs = self._addresses(number)
        nobody = ("lladdr", "02:00:00:00:00:99", "nud", "permanent")
        _run("ip", "neigh", "replace", theirs, *nobody, "dev", here)
        _run("ip", "-n", self.name, "neigh", "replace", ours, *nobody, "dev", there)

    def lighten(self, role: str) -> None:
        """Let packets arrive again."""
        number = self._lines[role]
        here, there = self._ends(number)
        ours, theirs = self._addresses(number)
        for words in (
            ("neigh", "del", theirs, "dev", here),
            ("-n", self.name, "neigh", "del", ours, "dev", there),
            ("link", "set", here, "up"),
        ):
            subprocess.run(["ip", *words], capture_output=True)

    def unplug(self, role: str) -> None:
        """Pull the plug of the line at this side."""
        _run("ip", "link", "set", self._ends(self._lines[role])[0], "down")

    def _addresses(self, number: int) -> tuple[str, str]:
        return f"{self._net}.{4 * number + 1}", f"{self._net}.{4 * number + 2}"

    @staticmethod
    def _ends(number: int) -> tuple[str, str]:
        return f"etlf{number}h{os.getpid() % 100_000}", f"etlf{number}c"


@contextlib.contextmanager
def open_network() -> Iterator[Network]:
    """A network for a block."""
    network = Network()
    _run("ip", "netns", "add", network.name)
    try:
        yield network
    finally:
        for number in range(3):
            subprocess.run(["ip", "link", "del", network._ends(number)[0]], capture_output=True)
        subprocess.run(["ip", "netns", "del", network.name], capture_output=True)


def _is_abandoned(name: str) -> bool:
    number = name.removeprefix(NAME).partition("_")[0]
    return name.startswith(NAME) and number.isdigit() and not Path(f"/proc/{number}").exists()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
