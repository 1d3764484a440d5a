"""What ``etl verify`` says, compared whole with the files under ``expected``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from etl_pipeline.cli.screens.verify import verify_json, verify_screen
from etl_pipeline.pipeline.summary import VerifySummary
from etl_pipeline.verify.job import VerifyScope
from etl_pipeline.verify.result import (
    Discrepancy,
    Repaired,
    RowDifference,
    SideBySide,
    VerifyResult,
)
from tests.expected import Expected

STARTED = datetime(2024, 6, 28, 2, 30, tzinfo=UTC)
LOOKED = (STARTED, STARTED + timedelta(seconds=2))
READ = STARTED - timedelta(hours=3)
EQUAL = [
    VerifyResult("patient", 1_500, 320_114, 1, 1),
    VerifyResult("procedurelog", 1_000_000, 160_000_000, 40, 40),
]
MOVED = VerifyResult("claim", 10, 100, 1, 1, moved=2, moved_since=READ)


def wrong(*, values: bool = False) -> VerifyResult:
    shown = SideBySide(
        ("AdjNum", "AdjNote", "AdjAmt"),
        ("77", None, "12.30"),
        ("77", "", "12.30"),
    )
    rows = (
        RowDifference("77", "differs", ("AdjNote",), shown if values else None),
        RowDifference("78", "missing"),
        RowDifference("900", "extra"),
    )
    return VerifyResult(
        "adjustment",
        10,
        100,
        1,
        1,
        [
            Discrepancy(
                "replication",
                "12 rows are not as loaded: 10 differ, 1 missing, 1 extra",
                rows,
                12,
                READ,
                LOOKED,
                "etl verify adjustment --repair",
            )
        ],
    )


def keyless() -> VerifyResult:
    what = "1 row is not as loaded: 1 extra"
    fix = "etl verify commlog --repair"
    return VerifyResult(
        "commlog", 9, 90, 1, 1, [Discrepancy("raw", what, (), 1, READ, LOOKED, fix)]
    )


def text_in_keys() -> VerifyResult:
    what = "2 rows are not as loaded: 1 differ, 1 missing"
    rows = (RowDifference("…, 4", "differs", ("Price",)), RowDifference("…, 5", "missing"))
    fix = "etl verify codes --repair"
    return VerifyResult(
        "codes", 9, 90, 1, 1, [Discrepancy("raw", what, rows, 2, READ, LOOKED, fix)]
    )


def repaired() -> list[VerifyResult]:
    fixed, left = wrong(), keyless()
    fixed.repaired = [Repaired("replication", Counter({"differs": 10, "missing": 1, "extra": 1}))]
    left.unrepaired = "raw is behind replication"
    return [fixed, left]


REFUSED = VerifyResult(
    "shapes",
    error="column outline: type geometry is not supported",
    fix="leave shapes out of tables.yml, or name only the tables to copy there",
)
NEVER = VerifyResult(
    "appointment",
    discrepancies=[
        Discrepancy("raw", "the table was never loaded, or is gone", fix="etl run appointment")
    ],
)
UNSETTLED = VerifyResult(
    "recall", 5, 50, 1, 1, notes=["a run wrote 1 chunk meanwhile, which could not be judged"]
)
CASES: dict[str, tuple[Sequence[VerifyResult], VerifyScope]] = {
    "equal": (EQUAL, VerifyScope()),
    "equal_deep": (EQUAL, VerifyScope(deep=True)),
    "raw_only": (EQUAL, VerifyScope(only="raw")),
    "sample": ([VerifyResult("procedurelog", 50_000, 8_000_000, 2, 40)], VerifyScope(sample=0.05)),
    "moved": ([*EQUAL, MOVED, UNSETTLED], VerifyScope()),
    "different": ([*EQUAL, MOVED, wrong(), keyless(), NEVER, REFUSED], VerifyScope()),
    "text_in_keys": ([text_in_keys()], VerifyScope()),
    "values": ([wrong(values=True)], VerifyScope(show_values=True)),
    "repaired": ([*EQUAL, *repaired()], VerifyScope(repair=True)),
}


def summary(name: str) -> VerifySummary:
    results, scope = CASES[name]
    return VerifySummary("test", STARTED, 3.14, scope, results)


@pytest.mark.parametrize("name", CASES)
def test_the_screen_of_a_comparison(expected: Expected, name: str) -> None:
    expected.check(f"verify_{name}.txt", verify_screen(summary(name)) + "\n")


@pytest.mark.parametrize("name", ["equal", "different", "values", "repaired"])
def test_the_json_of_a_comparison(expected: Expected, name: str) -> None:
    text = verify_json(summary(name))
    assert json.loads(text)["equal"] is (name == "equal")
    expected.check(f"verify_{name}.json", text + "\n")


def test_values_are_shown_only_where_they_were_asked_for() -> None:
    assert "12.30" not in verify_screen(summary("different")) + verify_json(summary("different"))
    assert "12.30" in verify_screen(summary("values"))
