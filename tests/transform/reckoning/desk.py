"""What the front desk's figures are judged by: the reckoning, and the same of the marts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.transform.reckoning import broken_visits, schedules

JUDGES: tuple[tuple[str, Callable[..., Any], Callable[..., Any]], ...] = (
    ("broken visits", broken_visits.reckon_days, broken_visits.read_days),
    ("broken appointments", broken_visits.reckon_report, broken_visits.read_report),
    ("providers' minutes", schedules.reckon_providers, schedules.read_providers),
    ("use of chairs", schedules.reckon_chairs, schedules.read_chairs),
)
