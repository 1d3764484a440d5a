"""``etl --version`` says what is installed, and which kernel works."""

from __future__ import annotations

import subprocess
import sys

from etl_pipeline import __version__
from etl_pipeline.transfer.kernel import IS_COMPILED


def test_version_names_the_kernel() -> None:
    command = [sys.executable, "-c", "from etl_pipeline.cli.main import main; main()", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.startswith(f"etl_pipeline {__version__} (kernel ")
    assert ("compiled" in shown.split("(")[1][:16]) == IS_COMPILED
