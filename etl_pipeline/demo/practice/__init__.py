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

__all__ = [
    "DEFAULT_PATIENTS",
    "DEFAULT_SEED",
    "TODAY",
    "BuiltPractice",
    "Engine",
    "build_practice",
]
