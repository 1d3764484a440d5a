"""What the front desk's figures are judged by: the reckoning, and the same of the marts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.transform.reckoning import (
    broken_visits,
    claims,
    desk_patients,
    referrals,
    schedules,
    treatment,
)

JUDGES: tuple[tuple[str, Callable[..., Any], Callable[..., Any]], ...] = (
    ("broken visits", broken_visits.reckon_days, broken_visits.read_days),
    ("broken appointments", broken_visits.reckon_report, broken_visits.read_report),
    ("recalls", desk_patients.reckon_recalls, desk_patients.read_recalls),
    ("recall status", desk_patients.reckon_recall_status, desk_patients.read_recall_status),
    ("new patients", desk_patients.reckon_new, desk_patients.read_new),
    ("retention", desk_patients.reckon_retention, desk_patients.read_retention),
    ("treatment", treatment.reckon, treatment.read_marts),
    ("open claims", claims.reckon_open, claims.read_open),
    ("outstanding claims", claims.reckon_outstanding, claims.read_outstanding),
    ("referral analysis", referrals.reckon, referrals.read_marts),
    ("providers' minutes", schedules.reckon_providers, schedules.read_providers),
    ("use of chairs", schedules.reckon_chairs, schedules.read_chairs),
)
