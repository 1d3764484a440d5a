"""One trial: a run, a fault at an instant of it, and whether the law holds afterwards."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, field

from tests.faults import law, practice
from tests.faults.campaigns import Campaign, Scene
from tests.faults.ground import Ground, give_views
from tests.faults.moment import Moment
from tests.faults.watcher import Watcher
from tests.faults.words import find_wrong_words

BOUND_SECONDS = 120.0
"""A run ends within this time by itself, whatever happens."""
REACHED = 0.97
"""The share of an undisturbed run's requests that most runs have, whatever there is to do."""
KINDS = {"first": ("run",), "again": ("run",), "full": ("run", "--full")}


@dataclass(frozen=True)
class Asked:
    """A trial: a campaign at an instant, as a share of the run's requests."""

    campaign: Campaign
    seed: int
    moment: float | None = None

    def again(self) -> str:
        """How to see it again."""
        words = f"python -m tests.faults --campaign {self.campaign.name!r} --seed {self.seed}"
        return words if self.moment is None else f"{words} --moment {self.moment}"


@dataclass
class Result:
    """What came of a trial.

    Attributes:
        seconds: From the fault to the end of the run.
        code: Exit code of the run that was struck.
        struck: Whether the fault happened before the run had ended.
        lost: Rows that were lost, doubled or wrong after one more run.
        wrong: Sentences that are not so, and sentences that are missing.
        broken: Other laws that do not hold.
        said: What was printed, for who looks into it.
    """

    asked: Asked
    kind: str = ""
    seconds: float = 0.0
    code: int = 0
    struck: bool = False
    recovered: bool = False
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    said: str = ""

    @property
    def is_lawful(self) -> bool:
        """Whether every law holds."""
        return self.recovered and not (self.lost or self.wrong or self.broken)

    def report(self) -> str:
        """What happened, and how to see it again."""
        campaign = self.asked.campaign
        head = f"{campaign.name}, seed {self.asked.seed} ({self.kind}): exit {self.code}"
        lines = [f"{head} after {self.seconds:.1f} s, {self.lost} rows wrong", *self.broken]
        return "\n  ".join([*lines, *self.wrong, f"again: {self.asked.again()}", self.said])


def count_requests(ground: Ground) -> dict[str, int]:
    """How many requests an undisturbed run has, by kind; leaves everything loaded."""
    counts = {}
    for number, (kind, words) in enumerate(KINDS.items()):
        if kind == "first":
            ground.forget()
        practice.change(ground.lab.source, number)
        moment = Moment()
        ground.watch(moment)
        run = ground.start(*words)
        if not run.wait(BOUND_SECONDS) or run.returncode:
            raise RuntimeError("an undisturbed run failed:\n" + "".join(ground.said()))
        counts[kind] = moment.count
        give_views(ground.lab)
    return counts


def hold(ground: Ground, asked: Asked, requests: dict[str, int]) -> Result:
    """Do a trial on *ground*, which is loaded before and after."""
    campaign = asked.campaign
    chance = random.Random(f"{campaign.name} {asked.seed}")
    result = Result(asked, kind=chance.choice(("first", "again", "again", "again", "full")))
    share = chance.random() if asked.moment is None else asked.moment
    moment = Moment(
        None if campaign.is_before else 1 + int(share * REACHED * requests[result.kind])
    )
    if result.kind == "first":
        ground.forget()
    practice.change(ground.lab.source, chance.randrange(10, 100_000))
    expected = law.read_source(ground.lab)
    since = law.last_run(ground.lab)
    with ground.using(campaign.lines):
        ground.watch(moment)
        database = ground.env["TEST_POSTGRES_ANALYTICS_DB"]
        with Watcher(ground.servers.analytics, database) as watcher:
            before = watcher.look()
            _be_struck(ground, result, moment, chance)
            ground.connect()
            practice.repair(ground.lab.source)
            wrong = law.count_wrong(ground.lab, expected)
            leases = law.find_claims(ground.lab, since)
            result.wrong += [f"says that {name} is equal" for name in sorted(leases & set(wrong))]
            if result.code == 0 and wrong and not campaign.kills:
                result.wrong.append(f"succeeds with {wrong}")
            ground.watch(Moment())
            _recover(ground, result)
            wrong = law.count_wrong(ground.lab, expected)
            result.lost = sum(wrong.values())
            after = watcher.look()
        for name, seen in watcher.seen.items():
            if not seen <= {before[name], after[name]}:
                result.broken.append(f"a reader saw {name} half loaded")
        if result.kind == "first":
            give_views(ground.lab)
        result.broken += [f"view of {name} is lost" for name in law.find_lost_views(ground.lab)]
        result.broken += law.find_left_behind(ground.lab)
    return result


def _be_struck(ground: Ground, result: Result, moment: Moment, chance: random.Random) -> None:
    """Run until the moment, strike, wait until the run has ended, and take the fault away."""
    campaign = result.asked.campaign
    lasts = chance.choice(campaign.lasts)
    scene = Scene(ground, 0, chance)
    with contextlib.ExitStack() as stack:
        stack.callback(ground.power.mend)
        if campaign.is_before:
            stack.callback(campaign.heal, scene)
            campaign.strike(scene)
        run = ground.start(*KINDS[result.kind])
        scene = Scene(ground, run.pid, chance)
        stack.callback(run.kill)
        struck_at = time.monotonic()
        if campaign.is_before:
            result.struck = True
        elif moment.wait(run, BOUND_SECONDS):
            result.struck, struck_at = True, time.monotonic()
            healing = contextlib.ExitStack()
            healing.callback(campaign.heal, scene)
            stack.push(healing)
            stack.callback(moment.go_on)
            if chance.random() < 0.5:
                moment.go_on()  # the server has it, and the answer may be lost
            campaign.strike(scene)
            moment.go_on()
            if lasts is not None:
                run.wait(lasts)
                healing.close()
        if not run.wait(BOUND_SECONDS):
            result.broken.append(f"does not end within {BOUND_SECONDS:.0f} s")
            run.show_stacks()
            run.kill()
        result.seconds = time.monotonic() - struck_at
        result.code = run.returncode or 0
    _judge(ground, result, healed=lasts is not None)


def _judge(ground: Ground, result: Result, *, healed: bool) -> None:
    campaign = result.asked.campaign
    result.said = "".join(ground.said())
    if campaign.kills and result.struck:
        return
    if result.broken:
        return  # it was killed
    if campaign.is_harmless and result.code:
        result.broken.append("fails of what does no harm")
    result.wrong += find_wrong_words(
        result.code,
        result.said,
        secrets=[value for name, value in ground.env.items() if name.endswith("_PASSWORD")],
        says=campaign.says if result.struck else "",
        role=campaign.role if result.struck and campaign.role in ground.lines else "",
    )


def _recover(ground: Ground, result: Result) -> None:
    """Run once more, undisturbed."""
    run = ground.start(*KINDS[result.kind])
    result.recovered = run.wait(BOUND_SECONDS) and run.returncode == 0
    run.kill()
    if not result.recovered:
        said = "".join(ground.said())
        result.broken.append(f"the next run ends with {run.returncode}:\n{said}")
