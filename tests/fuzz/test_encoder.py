"""The encoder of binary COPY touches nothing that is not its own, and a planted bug is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.sanitized import (
    SANITIZER_EXIT,
    SOURCE,
    CannotBuildError,
    build_sanitized,
    find_sanitizer,
    sanitizer_environment,
)

ENCODER = SOURCE.with_name("_binary.c")
SEED = 20_240_229
SECONDS = 6
SECONDS_LONG = 600
PLANTED = {
    "the output gets too little room": (
        "#define BYTES_PER_INPUT_BYTE 8",
        "#define BYTES_PER_INPUT_BYTE 2",
    ),
    "a fraction may overflow": ("if (++decimals > 6)", "if (++decimals > 60)"),
    "a numeric may have too many digits": ("before > 100 || after > 100", "before > 1000"),
}


@pytest.fixture(scope="module")
def library() -> Path:
    try:
        return find_sanitizer()
    except CannotBuildError as error:
        pytest.skip(str(error))


def fuzz(library: Path, folder: Path, source: Path, seconds: float) -> tuple[int, str]:
    """Exit status and output of the encoder's inner process."""
    module = build_sanitized(folder, source=source)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.encoder_child", module, str(SEED), str(seconds)],
        env=sanitizer_environment(library),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(2 * SECONDS_LONG)
def test_the_encoder_survives_any_text(
    library: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seconds = SECONDS_LONG if request.config.getoption("--long") else SECONDS
    status, output = fuzz(library, tmp_path, ENCODER, seconds)
    assert status == 0, output
    tried, encoded = map(int, output.split())
    assert tried > 100 * seconds
    assert encoded > tried // 50


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(library: Path, tmp_path: Path, name: str) -> None:
    good, bad = PLANTED[name]
    text = ENCODER.read_text()
    assert text.count(good) == 1, f"the encoder has no such line any more: {good}"
    source = tmp_path / "planted.c"
    source.write_text(text.replace(good, bad))
    status, output = fuzz(library, tmp_path, source, SECONDS)
    assert status == SANITIZER_EXIT, output
