"""The page shows the figures that were measured, as the generator makes them of any."""

from __future__ import annotations

import json
from pathlib import Path

from tests.docs.pages import ROOT, read_page
from tests.faults import figures
from tests.faults.campaigns import every_campaign
from tests.faults.trial import Asked, Result


def results() -> list[Result]:
    asked = [Asked(campaign, 1) for campaign in every_campaign().values()]
    made = [
        Result(item, seconds=float(n), struck=True, recovered=True) for n, item in enumerate(asked)
    ]
    made[0].lost, made[0].wrong, made[0].struck = 7, ["x"], False
    made[1].broken = ["y", "z"]
    return made


def test_the_page_shows_the_figures_beside_it() -> None:
    page = read_page(f"docs/{figures.PAGE}")
    shown = page.partition(figures.BEGIN)[2].partition(figures.END)[0]
    measured = json.loads((ROOT / "docs" / figures.FILE).read_text())
    assert shown.strip() == figures.table(measured)


def test_every_kind_of_campaign_is_on_the_page() -> None:
    measured = json.loads((ROOT / "docs" / figures.FILE).read_text())
    assert {item["kind"] for item in measured["kinds"]} == set(figures.WORDS)


def test_figures_count_what_was_struck() -> None:
    collected = figures.collect(results(), 3)
    kinds = {item["kind"]: item for item in collected["kinds"]}
    assert set(kinds) == set(figures.WORDS)
    assert sum(item["trials"] for item in kinds.values()) == len(every_campaign()) - 1
    assert kinds["cut"]["to"] == ["analytics", "replication", "source"]
    assert kinds["vanish"]["broken"] == 1
    assert sum(item["lost"] + item["wrong"] for item in kinds.values()) == 0
    assert "from seed 3" in figures.table(collected)


def test_what_people_wrote_on_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / figures.PAGE
    page.write_text(f"before\n{figures.BEGIN}\nold\n{figures.END}\nafter\n")
    measured = figures.collect(results(), 1)
    figures.write(measured, tmp_path)
    text = page.read_text()
    assert text == f"before\n{figures.BEGIN}\n{figures.table(measured)}\n{figures.END}\nafter\n"
    assert json.loads((tmp_path / figures.FILE).read_text()) == measured
