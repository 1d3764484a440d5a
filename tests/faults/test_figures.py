"""Figures are those of the trials that were struck, and the page's own text stays."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults import figures
from tests.faults.campaigns import every_campaign
from tests.faults.trial import Asked, Result


def results() -> list[Result]:
    asked = [Asked(campaign, 1) for campaign in every_campaign().values()]
    made = [
        Result(one, seconds=float(n), struck=True, recovered=True) for n, one in enumerate(asked)
    ]
    made[0].lost, made[0].wrong, made[0].struck = 7, ["x"], False
    made[1].broken = ["y", "z"]
    return made


def test_figures_count_what_was_struck() -> None:
    collected = figures.collect(results(), 3)
    kinds = {one["kind"]: one for one in collected["kinds"]}
    assert set(kinds) == set(figures.WORDS)
    assert sum(one["trials"] for one in kinds.values()) == len(every_campaign()) - 1
    assert kinds["cut"]["to"] == ["analytics", "replication", "source"]
    assert kinds["vanish"]["broken"] == 1
    assert sum(one["lost"] + one["wrong"] for one in kinds.values()) == 0
    assert "from seed 3" in figures.table(collected)


def test_what_people_wrote_on_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / figures.PAGE
    page.write_text(f"before\n{figures.BEGIN}\nold\n{figures.END}\nafter\n")
    measured = figures.collect(results(), 1)
    figures.write(measured, tmp_path)
    text = page.read_text()
    assert text == f"before\n{figures.BEGIN}\n{figures.table(measured)}\n{figures.END}\nafter\n"
    assert json.loads((tmp_path / figures.FILE).read_text()) == measured
