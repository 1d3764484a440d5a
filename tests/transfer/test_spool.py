"""The spool gives back what it was given, from memory or from its file; digests tell rows apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_pipeline.errors import StoppedError
from etl_pipeline.transfer import spool
from etl_pipeline.transfer.kernel_python import Rendered
from etl_pipeline.transfer.spool import Digest, Spool, for_copy, lossless

LINES = st.lists(st.sampled_from([b"a", b"a", b"b\t1", b"", b"\\N"]), max_size=8)


def rendered(*lines: bytes) -> Rendered:
    return Rendered(text=b"".join(line + b"\n" for line in lines), rows=len(lines))


def digest(lines: list[bytes], *, ordered: bool) -> bytes:
    made = Digest(ordered=ordered)
    made.update(b"".join(line + b"\n" for line in lines))
    return made.value()


@given(LINES, LINES)
def test_digests_agree_exactly_when_rows_do(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(one, ordered=True) == digest(other, ordered=True)) == (one == other)
    same_rows = sorted(one) == sorted(other)
    assert (digest(one, ordered=False) == digest(other, ordered=False)) == same_rows


def test_pairs_of_equal_rows_do_not_cancel() -> None:
    """An exclusive or, or a sum of CRCs over aligned ranges, would take these for equal."""
    assert digest([b"a"], ordered=False) != digest([b"a"] * 3, ordered=False)
    assert digest([b"a", b"a"], ordered=False) != digest([b"b", b"b"], ordered=False)
    assert digest([], ordered=False) != digest([b""], ordered=False)


@given(LINES, st.data())
def test_a_digest_does_not_depend_on_the_blocks(lines: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(lines)))
    for ordered in (True, False):
        made = Digest(ordered=ordered)
        for part in (lines[:cut], lines[cut:]):
            made.update(b"".join(line + b"\n" for line in part))
        assert made.value() == digest(lines, ordered=ordered)


@pytest.mark.parametrize("memory_bytes", [0, 10, 1 << 20])
@pytest.mark.parametrize("form", ["text", "copy_text"])
def test_what_goes_in_comes_out(
    monkeypatch: pytest.MonkeyPatch, memory_bytes: int, form: str
) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", memory_bytes)
    monkeypatch.setattr(spool, "BLOCK_BYTES", 7)
    lines = [b"%d\tword" % n for n in range(100)]
    text = b"".join(line + b"\n" for line in lines)
    blocks = [rendered(*lines[i : i + 9]) for i in range(0, 100, 9)]
    for block in blocks:
        block.copy_text = block.text.replace(b"word", b"other")
        block.altered[1, "zero dates"] += 1
    with Spool(ordered=True) as held:
        held.fill(iter(blocks), lambda: None, for_copy if form == "copy_text" else lossless)
        expected = text if form == "text" else text.replace(b"word", b"other")
        for _ in range(2):
            assert b"".join(held.blocks()) == expected
            assert [line + b"\n" for line in held.lines()] == expected.splitlines(keepends=True)
        assert (held.rows, held.text_bytes) == (100, len(text))
        assert held.digest() == hashlib.sha256(text).digest()
        assert held.altered == {(1, "zero dates"): 12}


def test_a_large_chunk_lies_in_a_file_that_nobody_else_can_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 10)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Spool(ordered=True) as held:
        held.fill([rendered(b"x" * 100)], lambda: None)
        assert not held.is_small
        assert list(tmp_path.iterdir()) == []
    assert held._file is not None
    assert held._file.closed


def test_a_stop_ends_the_filling() -> None:
    def check() -> None:
        raise StoppedError("stopped")

    with Spool(ordered=True) as held:
        with pytest.raises(StoppedError):
            held.fill([rendered(b"a"), rendered(b"b")], check)
        assert held.rows == 0
