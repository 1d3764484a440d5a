"""The core of the campaigns, a few instants of each kind; ``make test-faults`` has the whole.

The law after each fault: the run ends by itself, says what happened and no more than is so; and
after one more run all three databases are equal, and nothing of ours is left at any server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from etl_pipeline.demo.servers import data_folder
from tests.conftest import servers_folder
from tests.faults.campaigns import every_campaign
from tests.faults.ground import Ground, open_ground
from tests.faults.trial import Asked, count_requests, hold

CORE = (
    ("kill-run", 1),
    ("kill-source", 1),
    ("kill-replication", 1),
    ("kill-analytics", 1),
    ("restart-replication", 1),
    ("cut-source", 1),
    ("cut-replication", 1),
    ("cut-off-source", 1),
    ("dark-source", 1),
    ("dark-network-replication", 71),
    ("freeze-replication", 71),
    ("disk-full-replication", 1),
    ("disk-full-analytics", 1),
    ("disk-full-spool", 1),
    ("memory-run", 1),
    ("mode-read-only-replication", 1),
    ("mode-select-limit-source", 1),
)


@pytest.fixture(scope="module")
def ground(pytestconfig: pytest.Config) -> Iterator[tuple[Ground, dict[str, int]]]:
    """Servers that are killed and frozen, and how many requests a run has there."""
    folder = servers_folder(pytestconfig) / str(os.getpid()) / "faults"
    with open_ground(folder) as ground:
        yield ground, count_requests(ground)
    assert not data_folder(folder).exists()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("campaign", "seed"), CORE)
def test_the_law_holds_after(
    ground: tuple[Ground, dict[str, int]], campaign: str, seed: int
) -> None:
    asked = Asked(every_campaign()[campaign], seed)
    reason = asked.campaign.why_not()
    if reason:
        pytest.skip(reason)
    result = hold(ground[0], asked, ground[1])
    assert result.is_lawful, result.report()
