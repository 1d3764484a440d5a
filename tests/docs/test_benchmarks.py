"""The page on speed shows the figures that were measured, and no others."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import book, report
from benchmarks.book import Book
from benchmarks.changes import FIRST, PLAIN, TABLE_SYNC, UNCHANGED
from benchmarks.contestants import MYSQL, OURS, POSTGRES, SELECT
from benchmarks.measure import FailedError, Measurement, least_disturbed, measure
from benchmarks.runs import ANALYTICS_PAIR, REPLICATION_PAIR
from tests.docs.pages import ROOT, find_section, read_page


def entry(kind: str, name: str, *seconds: float, failed: str | None = None) -> dict[str, Any]:
    figures = list(seconds)
    return {
        "kind": kind,
        "name": name,
        "failed": failed,
        "seconds": figures,
        "cpu": figures,
        "peak_mb": figures,
        "source_cpu": figures,
        "elsewhere": [0.01] * len(figures),
    }


FIGURES = {
    "date": "2024-06-28",
    "machine": {"processor": "two abacuses", "cores": 2, "memory_gb": 4},
    "versions": {"etl_pipeline": "1", "Python": "3"},
    "rows": 1000,
    "table": {
        "turns": [
            entry(POSTGRES, OURS, 2.0, 1.0, 4.0),
            entry(POSTGRES, "reference pair", 4.0),
            entry(POSTGRES, "ingestr 1.1.22", 5.0),
            entry(POSTGRES, "a slow one", 50.0),
            entry(POSTGRES, "a missing one", failed="is not installed"),
            entry(MYSQL, OURS, 3.0),
            entry(SELECT, "mariadb", 2.0),
        ]
    },
    "changes": {
        "turns": [
            entry("", PLAIN, 2.0),
            entry("", UNCHANGED, 3.0),
            entry("", TABLE_SYNC, failed="did not end"),
        ]
    },
    "practice": {
        "tables": 7,
        "rows": 700,
        "turns": [
            entry("", FIRST, 6.0),
            entry("", UNCHANGED, 1.5),
            entry("", REPLICATION_PAIR, 3.0),
            entry("", ANALYTICS_PAIR, 2.0),
        ],
    },
    "many": {"tables": 100, "nearly_empty": 90, "turns": [entry("", UNCHANGED, 2.0)]},
}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    """The cells of each row by its first."""
    found = (line.strip("| ").split(" | ") for line in report.results(FIGURES).splitlines())
    return {cells[0]: cells[1:] for cells in found}


def test_the_page_shows_the_figures_beside_it() -> None:
    shown = read_page(f"docs/{report.PAGE}").partition(report.BEGIN)[2].partition(report.END)[0]
    assert shown.strip() == report.results(book.read(ROOT / "docs"))


def test_every_contestant_is_measured_or_named_with_its_reason() -> None:
    figures = book.read(ROOT / "docs")
    parts = [
        part["turns"] for part in figures.values() if isinstance(part, dict) and "turns" in part
    ]
    assert len(parts) == 4
    assert all(turn["seconds"] or turn["failed"] for turns in parts for turn in turns)


def test_a_figure_is_a_median_with_its_spread(rows: dict[str, list[str]]) -> None:
    assert rows[OURS][0] == "3.00 (3.00–3.00; 1)"  # the later table, of MySQL
    text = report.results(FIGURES)
    assert f"| {OURS} | 2.00 (1.00–4.00; 3) | 1.00 |" in text
    assert "| a slow one | 50.00 (50.00–50.00; 1) | 25.00 |" in text


def test_who_did_not_finish_is_named(rows: dict[str, list[str]]) -> None:
    assert rows["a missing one"][0] == "is not installed"
    assert rows[f"1,000 rows: {TABLE_SYNC}"][0] == "did not end"


@pytest.mark.parametrize(
    ("ratio", "measured"),
    [
        (f"{POSTGRES}: the fastest peer / ours", "2.50"),
        (f"{POSTGRES}: ours / the reference pair", "0.50"),
        (f"{POSTGRES}: ingestr 1.1.22 / ours", "2.50"),
        ("CPU of the source, first run: ours / a plain SELECT", "1.50"),
        (f"{UNCHANGED} / a plain SELECT to nowhere", "1.50"),
        ("7 tables, 700 rows: both hops / both pairs", "1.20"),
        ("the same, nothing changed / first run", "0.25"),
        ("100 tables, 90 nearly empty, nothing changed: ms a table", "20.0"),
    ],
)
def test_a_ratio_is_that_of_the_medians(
    rows: dict[str, list[str]], ratio: str, measured: str
) -> None:
    assert rows[ratio][1] == measured


def test_a_ratio_without_its_figures_is_left_out() -> None:
    assert "sling" not in report.results(FIGURES)


def test_what_people_wrote_on_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / report.PAGE
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(FIGURES, tmp_path, tmp_path)
    assert re.match(r"before\n.*after\n\Z", page.read_text(), re.DOTALL)
    assert "old" not in page.read_text()


def test_every_attempt_has_figures() -> None:
    attempts = find_section(read_page("docs/benchmarks.md"), "## What was tried")
    lines = [line for line in attempts.splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 5
    assert all(re.search(r"\d", line) for line in lines)


def test_what_was_measured_is_written_down_at_once(tmp_path: Path) -> None:
    def begin(*, appends: bool) -> Book:
        begun = Book(tmp_path, {"rows": 1}, appends=appends)
        begun.begin("table")
        begun.add("table", OURS, Measurement(1.0, 1.0, 1.0, 1.0), MYSQL)
        return begun

    begin(appends=False).fail("table", "other", "is not installed", MYSQL)
    assert book.read(tmp_path)["table"]["turns"][0]["seconds"] == [1.0]
    assert begin(appends=True).figures["table"]["turns"][0]["seconds"] == [1.0, 1.0]
    assert begin(appends=False).figures["table"]["turns"][0]["seconds"] == [1.0]


def test_a_measurement_that_is_disturbed_is_taken_again() -> None:
    shares = iter([0.5, 0.01, 0.0])
    taken = least_disturbed(lambda: Measurement(1.0, 1.0, 1.0, 1.0, next(shares)))
    assert taken.elsewhere == 0.01
    assert next(shares) == 0.0


def test_a_command_is_measured_with_what_the_servers_did(tmp_path: Path) -> None:
    busy = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    taken = measure(f"{sys.executable} -c '{busy}'", {}, tmp_path, [os.getpid()])
    assert 0.3 <= taken.cpu_seconds <= taken.seconds
    assert taken.peak_mb > 1
    assert 0 <= taken.elsewhere <= 1
    with pytest.raises(FailedError, match="wrong"):
        measure("echo wrong; exit 3", {}, tmp_path, [os.getpid()])
