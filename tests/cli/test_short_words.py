"""Long lists and near numbers are told so that a reader sees what matters."""

from __future__ import annotations

import pytest

from etl_pipeline.cli.screens.drift import shorten_members
from etl_pipeline.errors import GuardError
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.strategy import Rules

MEMBERS = [f"'m{number}'" for number in range(320)]


def test_a_long_enum_is_cut_in_its_middle_and_what_changed_is_kept() -> None:
    before = ",".join(MEMBERS)
    after = ",".join([*MEMBERS[:100], "'it''s new, and (odd)'", *MEMBERS[100:]])
    assert shorten_members(f"type changed: enum({before}) → enum({after})") == (
        "type changed: enum('m0',… 318 more …,'m319') → "
        "enum('m0',… 99 more …,'it''s new, and (odd)',… 219 more …,'m319')"
    )
    assert shorten_members(f"MODIFY `a` set({before}) NULL") == (
        "MODIFY `a` set('m0',… 318 more …,'m319') NULL"
    )
    assert shorten_members("enum('a','b')") == "enum('a','b')"


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (2_001, r"2,001 of 10,000 rows \(20.01%\) .* max_delete_fraction \(20.00%\)"),
        (2_040, r"\(20.4%\) .* \(20.0%\)"),
        (9_000, r"\(90%\) .* \(20%\)"),
    ],
)
def test_the_guard_says_its_share_with_enough_digits(gone: int, words: str) -> None:
    with pytest.raises(GuardError, match=words):
        guard_deletes("patient", Rules(), gone=gone, rows=10_000, place="raw")
