"""Today: by the source's clock, as given, or by the newest entries; never by a wrong year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.transform.build import transform_once
from etl_pipeline.transform.practice_day import PracticeDay, decide_day
from tests.transform.conftest import State
from tests.transform.reckoning.accounts import Accounts

CLOCK, ENTERED, GIVEN = dt.date(2026, 11, 29), dt.date(2024, 6, 28), dt.date(2024, 3, 31)
WITHOUT_CLOCK = dt.date(2027, 1, 1)
RECEIVABLES = ("int_practice_day", "+accounts_receivable")


@pytest.mark.parametrize(
    ("given", "clock", "follows", "decided"),
    [
        (None, CLOCK, False, PracticeDay(CLOCK, CLOCK)),
        (None, CLOCK, True, PracticeDay(ENTERED, ENTERED)),
        (None, None, False, PracticeDay(ENTERED, ENTERED)),
        (GIVEN, CLOCK, False, PracticeDay(GIVEN, CLOCK)),
        (GIVEN, CLOCK, True, PracticeDay(GIVEN, ENTERED)),
        (WITHOUT_CLOCK, None, True, PracticeDay(WITHOUT_CLOCK, WITHOUT_CLOCK)),
    ],
)
def test_what_decides_the_day(
    given: dt.date | None, clock: dt.date | None, follows: bool, decided: PracticeDay
) -> None:
    assert decide_day(given, clock=clock, entered=ENTERED, follows_entries=follows) == decided


def test_without_entries_and_clock_there_is_no_day() -> None:
    assert decide_day(None, clock=None, entered=None, follows_entries=False) == PracticeDay(
        None, None
    )


def test_a_wrong_year_moves_nothing_and_is_named(changed: State) -> None:
    assert changed.summary.as_of == dt.date(2024, 7, 12)
    assert changed.query("SELECT as_of_date, today FROM intermediate.int_practice_day") == [
        (dt.date(2024, 7, 12), dt.date(2024, 7, 12))
    ]
    assert changed.query(
        "SELECT table_name, key_column, date_column, found_date FROM intermediate.int_date_outlier "
        "ORDER BY 1, 4"
    ) == [
        ("adjustment", "AdjNum", "AdjDate", dt.date(2026, 7, 1)),
        ("adjustment", "AdjNum", "AdjDate", dt.date(2026, 7, 11)),
        ("adjustment", "AdjNum", "AdjDate", dt.date(2042, 7, 1)),
        ("payment", "PayNum", "DateEntry", dt.date(2026, 3, 2)),
    ]
    ((young,),) = changed.query("SELECT sum(balance_0_30) FROM marts.accounts_receivable")
    assert young > 0


def test_a_run_records_the_clock_of_the_source(changed: State) -> None:
    ((recorded,),) = changed.query("SELECT source_clock FROM etl.run ORDER BY run_id DESC LIMIT 1")
    with changed.lab.source.cursor() as cursor:
        cursor.execute("SELECT CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@GLOBAL.time_zone)")
        (now,) = cursor.fetchone() or (None,)
    assert dt.timedelta() <= now - recorded < dt.timedelta(hours=1)


@pytest.fixture
def back_to_today(changed: State) -> Iterator[None]:
    yield
    transform_once(changed.settings, select=RECEIVABLES, listen=lambda _: None)


def test_receivables_as_of_a_day_that_is_given(changed: State, back_to_today: None) -> None:
    """They are what the reckoning says of that day: what came later is left out."""
    summary = transform_once(
        changed.settings, select=RECEIVABLES, as_of=GIVEN, listen=lambda _: None
    )
    assert summary.is_success, summary.failed
    assert summary.as_of == GIVEN
    reckoned = Accounts(changed.lab.analytics).age(GIVEN, is_today=False)
    mart = {
        row[0]: row[1:]
        for row in changed.query(
            "SELECT guarantor_id, balance_over_90, balance, insurance_portion, dated_later "
            "FROM marts.accounts_receivable"
        )
    }
    for family, aged in reckoned.items():
        expected = aged.write_off_estimate + aged.insurance_estimate
        assert mart[family] == (aged.days_over_90, aged.total, expected, 0), family
    assert all(not any(row) for family, row in mart.items() if family not in reckoned)


def test_without_a_word_the_day_is_that_of_the_clock(
    changed: State, back_to_today: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = changed.lab.write_config(tmp_path_factory.mktemp("clock"))
    summary = transform_once(
        Settings("test", FileConfigProvider(folder)),
        select=["int_practice_day"],
        listen=lambda _: None,
    )
    assert [(summary.as_of, summary.as_of)] == changed.query(
        "SELECT max(source_clock)::date, (SELECT as_of_date FROM intermediate.int_practice_day) "
        "FROM etl.run"
    )
