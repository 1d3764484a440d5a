"""What can befall a run: each campaign strikes at an instant, and takes the fault away again."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.ground import ROLES, Ground
from tests.faults.modes import MODES, Mode
from tests.faults.places import why_no_disk, why_no_network


@dataclass(frozen=True)
class Scene:
    """What a campaign acts on: the ground, the run's process, and what chance says."""

    ground: Ground
    pid: int
    chance: random.Random


SILENT_SECONDS = 4.0
"""After this a run of ``child.py`` that gives no sign of life is taken for lost."""
Deed = Callable[[Scene], None]


def _nothing(scene: Scene) -> None:
    pass


@dataclass(frozen=True)
class Campaign:
    """A kind of fault.

    Attributes:
        kind: For the table of figures.
        role: The server or line concerned; empty for the run itself.
        strike: Does it.
        heal: Takes it away.
        says: What a run that fails must say, as a regular expression.
        lasts: How long it may last, in seconds; None: until the run has ended.
        kills: Whether the run is gone with it.
        is_harmless: Whether the run must succeed all the same.
        is_before: Whether it strikes before the run begins.
        lines: Between run and servers: ``plain``, or ``network`` for those of a namespace.
        why_not: Why it cannot be done here; None where it can.
    """

    kind: str
    role: str
    strike: Deed
    heal: Deed = _nothing
    says: str = ""
    lasts: tuple[float | None, ...] = (None,)
    kills: bool = False
    is_harmless: bool = False
    is_before: bool = False
    lines: str = "plain"
    why_not: Callable[[], str | None] = lambda: None

    @property
    def name(self) -> str:
        """How it is called on the command line."""
        return "-".join(word for word in (self.kind.replace(" ", "-"), self.role) if word)


_LOST = r"connection was lost|does not answer|silent|no answer|not reached|refused the connection"


def every_campaign() -> dict[str, Campaign]:
    """All campaigns by name."""
    made = [*_of_the_run()]
    for role in ROLES:
        made += [*_of_a_server(role), *_of_a_line(role)]
    made += [*_of_disks(), *_of_modes()]
    return {campaign.name: campaign for campaign in made}


def _of_the_run() -> Iterator[Campaign]:
    yield Campaign("kill", "run", lambda s: os.kill(s.pid, signal.SIGKILL), kills=True)
    yield Campaign("vanish", "run", _vanish, _come_back, kills=True)
    yield Campaign(
        "vanish unplugged",
        "run",
        _vanish_unplugged,
        _come_back,
        kills=True,
        lines="network",
        why_not=why_no_network,
    )
    yield Campaign("memory", "run", _take_memory, says=r"memory")


def _of_a_server(role: str) -> Iterator[Campaign]:
    def crash(scene: Scene) -> None:
        scene.ground.lines[role].refuse()
        scene.ground.power.kill(role)

    def restart(scene: Scene) -> None:
        scene.ground.lines[role].refuse()
        scene.ground.power.stop(role)
        come_up(scene)

    def come_up(scene: Scene) -> None:
        scene.ground.power.start(role)
        scene.ground.lines[role].admit()

    yield Campaign("kill", role, crash, come_up, _LOST, lasts=(0.0, 1.0, None))
    yield Campaign("restart", role, restart, come_up, _LOST, lasts=(0.0,))
    yield Campaign(
        "freeze",
        role,
        lambda scene: scene.ground.power.freeze(role),
        lambda scene: scene.ground.power.thaw(role),
        _LOST,
        lasts=(2.0, None),
    )


def _of_a_line(role: str) -> Iterator[Campaign]:
    def line(scene: Scene):  # type: ignore[no-untyped-def]
        return scene.ground.lines[role]

    def cut_off(scene: Scene) -> None:
        line(scene).refuse()
        line(scene).cut()

    yield Campaign("cut", role, lambda s: line(s).cut(), says=_LOST, lasts=(0.0,))
    yield Campaign("cut off", role, cut_off, lambda s: line(s).admit(), _LOST, lasts=(1.0, None))
    yield Campaign(
        "dark",
        role,
        lambda s: line(s).hold(),
        lambda s: line(s).release(),
        _LOST,
        lasts=(2.0, None),
    )
    yield Campaign(
        "dark network",
        role,
        lambda s: s.ground.network().darken(role),
        lambda s: s.ground.network().lighten(role),
        _LOST,
        lasts=(2.0, None),
        lines="network",
        why_not=why_no_network,
    )


def _of_disks() -> Iterator[Campaign]:
    for role, says in (("replication", "disk is full"), ("analytics", "disk is full")):
        yield Campaign(
            "disk full",
            role,
            lambda s, role=role: s.ground.disks[role].fill(),  # type: ignore[misc]
            lambda s, role=role: s.ground.disks[role].empty(),  # type: ignore[misc]
            says,
            why_not=why_no_disk,
        )
    yield Campaign(
        "disk full",
        "spool",
        lambda s: s.ground.disks["spool"].fill(),
        lambda s: s.ground.disks["spool"].empty(),
        r"TMPDIR|No space left|disk is full",
        why_not=why_no_disk,
    )


def _of_modes() -> Iterator[Campaign]:
    for name, mode in MODES.items():

        def strike(scene: Scene, mode: Mode = mode) -> None:
            scene.ground.tell(mode.role, mode.begin)

        def heal(scene: Scene, mode: Mode = mode) -> None:
            scene.ground.tell(mode.role, mode.end)

        yield Campaign(
            f"mode {name}",
            mode.role,
            strike,
            heal,
            mode.says,
            is_harmless=not mode.says,
            is_before=True,
        )


def _vanish(scene: Scene) -> None:
    for line in scene.ground.lines.values():
        line.hold()
    os.kill(scene.pid, signal.SIGKILL)


def _come_back(scene: Scene) -> None:
    time.sleep(SILENT_SECONDS)
    scene.ground.leave_lines()


def _vanish_unplugged(scene: Scene) -> None:
    for role in ROLES:
        scene.ground.network().unplug(role)
    os.kill(scene.pid, signal.SIGKILL)


def _take_memory(scene: Scene) -> None:
    status = Path(f"/proc/{scene.pid}/status").read_text()
    used = int(status.partition("VmSize:")[2].split()[0]) << 10
    most = used + scene.chance.choice((0, 1 << 18, 1 << 20, 4 << 20, 16 << 20))
    resource.prlimit(scene.pid, resource.RLIMIT_AS, (most, most))
