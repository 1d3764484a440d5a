"""The window of the source: what a wall clock shows decides."""

from __future__ import annotations

import time as clocks
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.config import create_test_settings
from etl_pipeline.config.window import Window, parse_window

if TYPE_CHECKING:
    from collections.abc import Iterator

CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def in_chicago(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/Chicago")
    clocks.tzset()
    yield
    monkeypatch.undo()
    clocks.tzset()


times = st.times().map(lambda t: t.replace(second=0, microsecond=0))


@given(times, times, st.integers(0, 24 * 60 - 1))
def test_a_window_and_the_rest_of_the_day_are_all_there_is(
    one: time, other: time, minute: int
) -> None:
    now = datetime(2024, 6, 28, tzinfo=UTC) + timedelta(minutes=minute)
    if one == other:
        with pytest.raises(ValueError, match="without an end"):
            parse_window(f"{one:%H:%M}-{other:%H:%M}")
        return
    window = parse_window(f"{one:%H:%M}-{other:%H:%M} UTC")
    rest = parse_window(f"{other:%H:%M}-{one:%H:%M} UTC")
    assert window.is_open(now) is not rest.is_open(now)
    assert parse_window(str(window)) == window


@pytest.mark.parametrize(
    ("clock", "is_open"),
    [("20:59", False), ("21:00", True), ("00:00", True), ("05:59", True), ("06:00", False)],
)
def test_a_night_begins_with_its_first_minute_and_ends_before_its_last(
    clock: str, is_open: bool
) -> None:
    now = datetime.fromisoformat(f"2024-06-28T{clock}:00+00:00")
    assert parse_window("21:00-06:00 UTC").is_open(now) is is_open


def test_the_clock_is_that_of_the_zone_or_of_this_machine(in_chicago: None) -> None:
    evening = datetime(2024, 6, 28, 21, 30, tzinfo=CHICAGO).astimezone(UTC)
    assert evening.hour == 2  # of the next day, UTC
    assert parse_window("21:00-06:00").is_open(evening)
    assert parse_window("21:00-06:00 America/Chicago").is_open(evening)
    assert not parse_window("21:00-22:00 UTC").is_open(evening)


@pytest.mark.parametrize(("night", "hours"), [("2024-03-10", 8), ("2024-11-03", 10)])
def test_in_the_nights_of_changed_clocks_an_hour_is_missing_or_there_twice(
    night: str, hours: int
) -> None:
    window = parse_window("21:00-06:00 America/Chicago")
    noon = datetime.fromisoformat(f"{night}T12:00:00").replace(tzinfo=CHICAGO).astimezone(UTC)
    day = [noon - timedelta(minutes=15 * n) for n in range(1, 4 * 24)]
    assert sum(window.is_open(instant) for instant in day) == 4 * hours


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("21:00", "expected hours such as 21:00-06:00"),
        ("21-06", "expected hours such as 21:00-06:00"),
        ("21:00-25:00", "expected hours such as 21:00-06:00"),
        ("21:00-21:00", "expected hours such as 21:00-06:00"),
        ("21:00-06:00\n", "expected hours such as 21:00-06:00"),
        ("21:00-06:00 Chicago", "expected a time zone that this machine knows"),
        ("21:00-06:00 America/../../etc", "expected hours such as 21:00-06:00"),
        ("21:00-06:00 America", "expected a time zone that this machine knows"),
    ],
)
def test_another_text_is_a_fault_of_the_configuration(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"source\.window") as caught:
        create_test_settings(pipeline_config={"source": {"window": text}})
    assert words in str(caught.value)


def test_a_window_is_named_as_it_was_written() -> None:
    assert str(Window(time(21), time(6))) == "21:00-06:00"
    assert str(parse_window("21:00-06:00 America/Chicago")) == "21:00-06:00 America/Chicago"
