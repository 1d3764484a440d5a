"""Looks for bytes of a server that the kernel mistakes: ``python -m tests.fuzz.fuzzer``.

The kernel is compiled twice with sanitizers: as it is, and with full packets so small that rows
are joined all the time. Kernel and twin must agree on every case.
"""

from __future__ import annotations

import argparse
import os
import pprint
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.cases import SMALL_PACKET, Case, Cases
from tests.fuzz.child import DIFFERENT, NUMBER_BYTES
from tests.fuzz.sanitized import (
    SANITIZER_EXIT,
    SOURCE,
    CannotBuildError,
    build_sanitized,
    find_sanitizer,
    sanitizer_environment,
)

ROOT = Path(__file__).parents[2]
ALL_CASES = 1 << 62


@dataclass(frozen=True, slots=True)
class Finding:
    """A case on which the kernel failed, and what was seen."""

    seed: int
    number: int
    case: Case
    what: str

    def report(self) -> str:
        """The case in full, and how to see it again."""
        return (
            f"{self.what}\n\nseed {self.seed}, case {self.number}:\n{pprint.pformat(self.case)}\n\n"
            f"again: python -m tests.fuzz.fuzzer --seed {self.seed} --case {self.number}\n"
        )


def fuzz(
    seed: int, seconds: float, *, only: int | None = None, source: Path = SOURCE
) -> int | Finding:
    """Try cases of *seed* for *seconds*: how many were tried, or the first that failed.

    Args:
        seed: Decides all cases.
        seconds: How long.
        only: Number of the one case to try; None for all from the first.
        source: The kernel.

    Raises:
        CannotBuildError: No compiler or no sanitizer is at hand.
    """
    library = find_sanitizer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modules = (
            build_sanitized(folder, source=source),
            build_sanitized(folder, source=source, full_packet=SMALL_PACKET),
        )
        number_file = folder / "number"
        number_file.write_bytes(bytes(NUMBER_BYTES))
        first, last = (0, ALL_CASES) if only is None else (only, only + 1)
        values = (*modules, seed, first, last, seconds, number_file)
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.child", *map(str, values)],
            cwd=ROOT,
            env=sanitizer_environment(library) | {"PYTHONPATH": os.fspath(ROOT)},
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode == 0:
            return int(done.stdout)
        if done.returncode not in (DIFFERENT, SANITIZER_EXIT) and done.returncode > 0:
            raise RuntimeError(f"the fuzzer itself failed:\n{done.stderr}")
        number = int.from_bytes(number_file.read_bytes(), "little")
    what = (done.stdout + done.stderr).strip() or f"the process ended with {done.returncode}"
    return Finding(seed, number, Cases(seed).case(number), what)


def main() -> int:
    """The command: 0 where nothing was found, 1 for a finding, 2 where it cannot run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzzer", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, help="decides all cases (default: a new one)")
    parser.add_argument("--case", type=int, help="try this case alone")
    options = parser.parse_args()
    seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed
    try:
        result = fuzz(seed, options.seconds, only=options.case)
    except CannotBuildError as error:
        print(f"the fuzzer cannot run: {error}\n  fix: install gcc and the headers of Python")
        return 2
    if isinstance(result, int):
        print(f"{result} cases of seed {seed}: kernel and twin agree")
        return 0
    path = ROOT / f"fuzz-{result.seed}-{result.number}.txt"
    path.write_text(result.report())
    print(f"the kernel fails on case {result.number} of seed {result.seed}: {path.name}")
    print(f"  fix: python -m tests.fuzz.fuzzer --seed {result.seed} --case {result.number}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
