"""The README's transcript is what the demo prints, but for its figures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.docs.pages import ROOT, find_blocks, read_page

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = (
    "import sys; sys.argv[0] = '.venv/bin/etl'; from etl_pipeline.cli.main import main; main()"
)


def without_figures(line: str) -> str:
    return " ".join(re.sub(r"\d[\d,.]*", "0", line).split())


def call(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=folder,
    )
    return done.returncode, done.stdout


def test_the_demo_prints_the_transcript(tmp_path: Path) -> None:
    try:
        code, printed = call(tmp_path, "demo", "--patients", "40")
        assert code == 0, printed
        rest = iter([without_figures(line) for line in printed.splitlines()])
        (transcript,) = find_blocks(read_page("README.md"), "text")
        for line in transcript.splitlines():
            if line.strip() not in ("", "…"):
                assert without_figures(line) in rest, line  # in this order: rest is used up
        assert "--remove deletes" in printed
    finally:
        code, printed = call(tmp_path, "demo", "--remove")
    assert (code, list(tmp_path.glob("demo/*"))) == (0, [])
