"""A synthetic dental practice: tables, rows and working days, the same for the same seed."""

from __future__ import annotations

from etl_pipeline.demo.practice.build import (
    DEFAULT_PATIENTS,
    DEFAULT_SEED,
    TODAY,
    BuiltPractice,
    Engine,
    build_practice,
)
from etl_pipeline.demo.practice.change import ChangedPractice, TableChange, change_practice

__all__ = [
    "DEFAULT_PATIENTS",
    "DEFAULT_SEED",
    "TODAY",
    "BuiltPractice",
    "ChangedPractice",
    "Engine",
    "TableChange",
    "build_practice",
    "change_practice",
]
