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

    import pytest

PROGRAM = (
    "import sys; sys.argv[0] = '.venv/bin/etl'; from etl_pipeline.cli.main import main; main()"
)


def without_figures(line: str) -> str:
    """*line* with other numbers, and without the table that took longest: another one, or none."""
    line = re.sub(r" \(\w+\)$", "", line)
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


def shortened(printed: str) -> str:
    """What was printed, without the lists of tables, the figures and the next steps."""
    lines: list[str] = []
    for line in printed.rstrip().splitlines():
        is_left_out = re.fullmatch(r"(\w+( +[\d,]+ rows)? +[\d.]+ s)?|    .*", line) is not None
        is_figure = re.fullmatch(r"  [\w ]+  [\d,]+\.\d\d", line) is not None
        if is_figure or (is_left_out and line):
            mark = "  …" if is_figure else "…"
            if not lines[-1].endswith("…"):
                lines.append(mark)
        elif line:
            lines.append(line)
        if line.startswith("The servers go on running"):
            return "\n".join([*lines, "  …"]) + "\n"
    raise AssertionError("the demo does not say how to go on")


def test_the_demo_prints_the_transcript(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """``pytest --rewrite`` renews the README's, with a demo of the usual size."""
    rewrites = pytestconfig.getoption("--rewrite")
    (transcript,) = find_blocks(read_page("README.md"), "text")
    try:
        code, printed = call(tmp_path, "demo", *([] if rewrites else ["--patients", "20"]))
        assert code == 0, printed
        if rewrites:
            new = read_page("README.md").replace(transcript, shortened(printed))
            (ROOT / "README.md").write_text(new, encoding="utf-8")
            return
        rest = iter([without_figures(line) for line in printed.splitlines()])
        for line in transcript.splitlines():
            if line.strip() not in ("", "…"):
                # In this order: rest is used up.
                assert without_figures(line) in rest, f"{line!r}: pytest --rewrite renews it"
    finally:
        code, printed = call(tmp_path, "demo", "--remove")
    assert (code, list(tmp_path.glob("demo/*"))) == (0, [])
