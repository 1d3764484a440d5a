"""The fuzzer finds nothing in the kernel, and finds what is planted in a copy of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuzz.cases import Cases
from tests.fuzz.fuzzer import Finding, fuzz
from tests.fuzz.sanitized import SOURCE, CannotBuildError, find_sanitizer

SEED = 20_240_229
SECONDS = 30.0
SECONDS_LONG = 600.0

# The hardest planted bug shows after some 10,000 cases: 11 s alone, four times as long where
# other tests share the processors. A found bug ends the search, so the limit costs nothing.
SECONDS_PLANTED = 150.0

PLANTED = {
    "a value may end a byte late": (
        "return size <= (uint64_t)(end - *at);",
        "return size <= (uint64_t)(end - *at) + 1;",
    ),
    "the width of a length is not checked": (
        "if (!width || end - *at < width)",
        "if (!width || end < *at)",
    ),
    "a packet may end a byte late": (
        "if (length > size - position - 4)\n            break;",
        "if (length > size - position - 3)\n            break;",
    ),
    "a joined row gets too little room": (
        "PyMem_Malloc((size_t)block.len)",
        "PyMem_Malloc((size_t)block.len / 2 + 1)",
    ),
    "the output gets too little room": (
        "room_of(&pass->text) < 2 * length + beside",
        "room_of(&pass->text) < length + beside",
    ),
    "the tuples get too little room": (
        "room_of(&pass->tuples) < length + tuple_beside",
        "room_of(&pass->tuples) < length",
    ),
    "a field gets too little room": ("#define MOST_BESIDE 20", "#define MOST_BESIDE 0"),
    "a numeric may have too many digits": ("end - decimals > 100", "end - decimals > 1000"),
    "a short text is hashed past its end": (
        "put_bytes(rest, at, size < 8 ? size : 8)",
        "put_bytes(rest, at, 8)",
    ),
    "hashes stay where there are no tuples": ("pass->high = pass->low = 0;", ""),
    "NULL is a field of no bytes": ("return put32(out, 0xFFFFFFFF);", "return out;"),
    "a printed value gets too little room": (
        "total += 2 * most_printed(columns[i]) + 4;",
        "total += most_printed(columns[i]) + 4;",
    ),
    "a number may end past its row": ("if (end - value < *size)", "if (end < value)"),
    "the bits of NULL may end past the row": ("if (end - at < 1 + null_bytes || *at)", "if (*at)"),
    "a date may be of any size": (
        "if (size != 0 && size != 4 && !(is_timed && (size == 7 || size == 11)))",
        "if (0)",
    ),
    "hours of days are left out": ("days * 24 + at[5]", "at[5]"),
    "a short date is read past its end": ("size >= 8 && memcmp", "size >= 5 && memcmp"),
    "a carriage return is not escaped": ("['\\r'] = 'r', ", ""),
    "zero dates are counted twice": ("pass->zero_dates[i]++;", "pass->zero_dates[i] += 2;"),
}


@pytest.fixture(scope="module", autouse=True)
def _sanitizer() -> None:
    try:
        find_sanitizer()
    except CannotBuildError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(2 * SECONDS_LONG)
def test_kernel_and_twin_agree_on_damaged_packets(request: pytest.FixtureRequest) -> None:
    seconds = SECONDS_LONG if request.config.getoption("--long") else SECONDS
    result = fuzz(SEED, seconds)
    assert isinstance(result, int), result.report()
    assert result > 100 * seconds


@pytest.mark.timeout(len(PLANTED) * SECONDS_PLANTED)
def test_every_planted_bug_is_found(tmp_path: Path) -> None:
    def find(name: str) -> int | Finding:
        good, bad = PLANTED[name]
        texts = {file: SOURCE.with_name(file).read_text() for file in (SOURCE.name, "_binary.h")}
        found = sum(text.count(good) for text in texts.values())
        assert found == 1, f"the kernel has no such line any more: {good}"
        folder = tmp_path / str(list(PLANTED).index(name))
        folder.mkdir()
        for file, text in texts.items():
            (folder / file).write_text(text.replace(good, bad))
        return fuzz(SEED, SECONDS_PLANTED, source=folder / SOURCE.name)

    with ThreadPoolExecutor(2) as executor:
        found = dict(zip(PLANTED, executor.map(find, PLANTED), strict=True))
    assert [name for name, finding in found.items() if isinstance(finding, int)] == []
    finding = found["a value may end a byte late"]
    assert isinstance(finding, Finding)
    assert f"--seed {SEED} --case {finding.number}" in finding.report()
    assert fuzz(SEED, SECONDS_PLANTED, only=finding.number) == 1


def test_a_case_follows_from_its_number() -> None:
    assert [Cases(1).case(n) for n in range(200)] == [Cases(1).case(n) for n in range(200)]
    assert Cases(1).case(5) != Cases(2).case(5)
