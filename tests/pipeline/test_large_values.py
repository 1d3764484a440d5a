"""Values of many megabytes."""

from __future__ import annotations

from collections.abc import Callable

from etl_pipeline.pipeline.summary import RunSummary
from tests.conftest import Lab
from tests.rows import make_table

Run = Callable[..., RunSummary]
MEGABYTE = 1 << 20
DIGEST = "SELECT SHA2(b, 256), SHA2(c, 256) FROM t WHERE k = 1"


def test_a_value_of_50_megabytes(lab: Lab, run: Run) -> None:
    """Of every byte there is, and of characters that all need an escape."""
    every_byte = "".join(f"{n:02x}" for n in range(256))
    make_table(
        lab.source,
        "CREATE TABLE t (k int PRIMARY KEY, b longblob, c longtext CHARACTER SET utf8mb4)",
        f"INSERT INTO t VALUES (1, REPEAT(x'{every_byte}', {50 * MEGABYTE // 256}), "
        f"REPEAT('\\t\\\\\\n', {MEGABYTE})), (2, '', '')",
    )
    summary = run()
    assert summary.is_success, summary.failed
    with lab.source.cursor() as one, lab.replication.cursor() as other:
        one.execute(DIGEST)
        other.execute(DIGEST)
        expected = one.fetchone()
        assert other.fetchone() == expected
    found = lab.analytics.execute(
        "SELECT encode(sha256(b), 'hex'), encode(sha256(convert_to(c, 'UTF8')), 'hex'), "
        "length(b) FROM raw.t WHERE k = 1"
    ).fetchone()
    assert found == (*expected, 50 * MEGABYTE)
