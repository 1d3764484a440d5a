"""The whole of the campaigns: ``python -m tests.faults --seconds 600``; ``make test-faults``."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tests.conftest import private_folder
from tests.faults.campaigns import Campaign, every_campaign
from tests.faults.figures import collect, table, write
from tests.faults.ground import Ground, open_ground
from tests.faults.trial import Asked, Result, count_requests, hold

ROOT = Path(__file__).parents[2]


def main() -> int:
    """The command: 0 where every law holds, 1 where one is broken."""
    options = _read_command_line()
    campaigns = [
        campaign
        for name, campaign in every_campaign().items()
        if re.fullmatch(options.campaign, name)
    ]
    if options.list:
        for campaign in campaigns:
            reason = campaign.why_not()
            print(f"{campaign.name}   skipped: {reason}" if reason else campaign.name)
        return 0
    folder = private_folder(ROOT / ".pytest_cache" / "d" / "servers") / str(os.getpid())
    with open_ground(folder) as ground:
        results = _hold_all(ground, campaigns, options)
    figures = collect(results, options.seed)
    print(table(figures))
    if options.page:
        write(figures, options.page)
    return 0 if all(result.is_lawful for result in results) else 1


def _read_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="begin no trial later")
    parser.add_argument("--trials", type=int, default=1_000_000, help="as many at most")
    parser.add_argument("--campaign", default=".*", help="a regular expression: only those")
    parser.add_argument("--seed", type=int, default=1, help="the first; it decides everything")
    parser.add_argument("--moment", type=float, help="of 0 to 1, in place of the seed's own")
    parser.add_argument("--list", action="store_true", help="name the campaigns and do nothing")
    parser.add_argument("--page", type=Path, help="folder of the page that gets the figures")
    return parser.parse_args()


def _hold_all(
    ground: Ground, campaigns: list[Campaign], options: argparse.Namespace
) -> list[Result]:
    results: list[Result] = []
    requests = count_requests(ground)
    end = time.monotonic() + options.seconds
    for asked in _ask(campaigns, options.seed, options.moment):
        if time.monotonic() > end or len(results) >= options.trials:
            break
        result = hold(ground, asked, requests)
        results.append(result)
        words = "ok " if result.is_lawful else "BAD"
        what = "" if result.struck else ", over before the fault"
        print(
            f"{words} {asked.campaign.name} {asked.seed} ({result.kind}): exit {result.code} "
            f"after {result.seconds:.1f} s{what}",
            flush=True,
        )
        if not result.is_lawful:
            print(result.report(), flush=True)
        if not result.recovered or result.lost:
            requests = count_requests(ground)
    return results


def _ask(campaigns: list[Campaign], seed: int, moment: float | None) -> Iterator[Asked]:
    """Every campaign with *seed*, then with the next."""
    possible = [campaign for campaign in campaigns if campaign.why_not() is None]
    for number in count(seed) if possible else ():
        for campaign in possible:
            yield Asked(campaign, number, moment)


if __name__ == "__main__":
    sys.exit(main())
