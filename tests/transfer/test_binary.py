"""Binary COPY: the table holds what it would hold by text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from etl_pipeline.config.tables_file import ColumnConfig
from etl_pipeline.load.sql import digest_raw
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer import kernel
from etl_pipeline.transfer.binary import Encoder, FieldKind, framed
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.copy import copy_text
from etl_pipeline.transfer.kernel_python import Rendered
from etl_pipeline.transfer.layout import Form, Layout, Wire
from etl_pipeline.transfer.select import RenderedTable, render_table
from tests.conftest import Lab
from tests.transfer import packets
from tests.transfer.test_kernel import ANY_MODES, FORMS, VALUES, numbers

needs_kernel = pytest.mark.skipif(not kernel.IS_COMPILED, reason="needs a C compiler")


CLOCKS: st.SearchStrategy[Any] = VALUES[Wire.TIME]


def digits(most: int, places: int) -> st.SearchStrategy[bytes]:
    return st.decimals(-most, most, places=places).map(lambda d: f"{d:f}".encode())


DAYS = st.dates().map(lambda d: (d.year, d.month, d.day, 0, 0, 0, 0))
MOMENTS = st.datetimes().map(
    lambda t: (t.year, t.month, t.day, t.hour, t.minute, t.second, t.microsecond)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)

COLUMNS: dict[str, tuple[str, Form, st.SearchStrategy[Any], list[Any]]] = {
    "small": ("smallint(6)", Form(Wire.INT2), numbers(16, is_signed=True), [-(2**15)]),
    "tiny": ("tinyint(3) unsigned", Form(Wire.UINT1), numbers(8, is_signed=False), [0, 255]),
    "padded": ("int(8) unsigned zerofill", Form(Wire.UINT4, 8), numbers(32, is_signed=False), [7]),
    "number": ("int(11)", Form(Wire.INT4), numbers(32, is_signed=True), [-1, 2**31 - 1]),
    "large": ("bigint(20)", Form(Wire.INT8), numbers(64, is_signed=True), [-(2**63), 2**63 - 1]),
    "largest": ("bigint(20) unsigned", Form(Wire.UINT8), numbers(64, is_signed=False),
                [0, 10_000, 2**64 - 1]),
    "born": ("year(4)", Form(Wire.UINT2, 4), st.integers(1901, 2155), [0]),
    "exact": ("decimal(20,6)", Form(), digits(10**13, 6),
              [b"0.000000", b"-0.000001", b"10000.000000", b"99999999999999.999999"]),
    "widest": ("decimal(65,30)", Form(), digits(10**34, 30), [b"-" + b"9" * 35 + b"." + b"9" * 30]),
    "fee": ("double", Form(Wire.DOUBLE), VALUES[Wire.DOUBLE],
            [-0.0, 0.1, 5e-324, -1.7976931348623157e308, 124.45000000000002, 1234567890123456.5]),
    "ratio": ("float", Form(Wire.DOUBLE), VALUES[Wire.FLOAT],
              [-0.0, 2**-149, 3.4028234663852886e38]),
    "day": ("date", Form(Wire.DATE), DAYS,
            [(*day, 0, 0, 0, 0) for day in [(1, 1, 1), (9999, 12, 31), (2000, 2, 29), (1900, 3, 1),
                                           (0, 0, 0), (2022, 11, 0), (2022, 0, 3), (0, 5, 1)]]),
    "moment": ("datetime(6)", Form(Wire.DATETIME, 6), MOMENTS,
               [(9999, 12, 31, 23, 59, 59, 999_999), (1, 1, 1, 0, 0, 0, 0),
                (1999, 12, 31, 23, 59, 59, 500_000), (2022, 11, 0, 10, 0, 0, 0)]),
    "instant": ("timestamp", Form(Wire.DATETIME), MOMENTS, [(0,) * 7]),
    "clock": ("time(3)", Form(Wire.TIME, 3), CLOCKS,
              [(True, 34, 22, 59, 59, 0), (False, 0, 0, 0, 0, 0), (True, 0, 0, 0, 1, 0)]),
    "words": ("text", Form(), TEXTS,
              [b"", b"\\N", b"NULL", b"\\", b"a\tb\nc\rd", b"\0", b"a\0b\0", b"12345678\0",
               b"x" * 300]),
    "bytes": ("blob", Form(), st.binary(max_size=30), [b"", b"\0\xff\\\n", b"\\x"]),
    "place": ("point", Form(), st.binary(min_size=4, max_size=30), [b"", b"\1\2\3"]),
}  # fmt: skip
CHOSEN: dict[str, tuple[str, str, Form, list[Any]]] = {
    "flag": ("tinyint(1)", "boolean", Form(Wire.INT1), [0, 1, -1, 2]),
    "bit": ("bit(1)", "boolean", Form(), [b"0", b"1"]),
    "price": ("int(11)", "numeric", Form(Wire.INT4), [0, -10_000, 2**31 - 1]),
    "said": ("datetime", "text", Form(Wire.DATETIME), [(0,) * 7, (2024, 2, 29, 1, 2, 3, 0)]),
    "name": ("double", "text", Form(Wire.DOUBLE), [0.1, -0.0, 1e300]),
}
"""Columns whose type tables.yml chooses, and values of them."""


def column(name: str, kind: str) -> Column:
    return Column(name, kind.split("(")[0].split()[0], kind, is_nullable=True)


def render_columns(names: list[str]) -> tuple[RenderedTable, Layout]:
    """How a table of the columns *names*, of either list, is carried and sent."""
    declared = [(COLUMNS.get(name) or CHOSEN[name])[0] for name in names]
    table = Table("t", tuple(map(column, names, declared)))
    choices = {n: ColumnConfig.model_validate({"type": CHOSEN[n][1]}) for n in names if n in CHOSEN}
    text = render_table(table, choices)
    forms = [COLUMNS[n][1] if n in COLUMNS else CHOSEN[n][2] for n in names]
    return text, Layout(tuple(text.modes), tuple(forms))


def render(text: RenderedTable, layout: Layout, rows: list[tuple[Any, ...]]) -> Rendered:
    block = packets.result(rows, layout.forms)
    return kernel.render(block, layout, with_copy=True, kinds=Encoder(text).kinds)


def make_tables(analytics: Any, text: RenderedTable) -> None:
    """Two empty tables."""
    body = ", ".join(f'"{c.name}" {c.postgres_type}' for c in text.columns)
    for name in ("by_text", "by_binary"):
        analytics.execute(f"CREATE TABLE {name} ({body})")
    analytics.execute("SET timezone = 'UTC'")


def check_copies(analytics: Any, text: RenderedTable, rendered: Rendered) -> None:
    """Both ways the tables hold the same rows, of which PostgreSQL makes the hashes given."""
    assert rendered.tuples is not None
    analytics.execute("TRUNCATE by_text, by_binary")
    copy_text(analytics, "by_text", text.column_names, [rendered.copy_text])
    tuples = framed([rendered.tuples])
    copy_text(analytics, "by_binary", text.column_names, tuples, ["FORMAT binary"])
    # "=" takes -0.0 for 0.0.
    floats = [c.compare.format(c.name) for c in text.columns if "send" in c.compare]
    compared = ", ".join(["t::text", *floats])
    differing = analytics.execute(
        f"(SELECT {compared} FROM by_text t) EXCEPT ALL (SELECT {compared} FROM by_binary t)"
    ).fetchall()
    assert differing == []
    digest = digest_raw("by_binary", text, [Chunk(0)], [Chunk(0)])
    found = analytics.execute(digest.encode()).fetchall()
    assert found == ([(0, rendered.rows, rendered.hashes)] if rendered.rows else [])
    counts = "SELECT (SELECT count(*) FROM by_text), (SELECT count(*) FROM by_binary)"
    assert analytics.execute(counts).fetchone() == (rendered.rows, rendered.rows)


ROWS = st.lists(
    st.tuples(
        *(
            st.none() | values | st.sampled_from(edges)
            for _, _, values, edges in COLUMNS.values()
        )
    ),
    max_size=8,
)  # fmt: skip


@needs_kernel
def test_binary_rows_are_those_of_the_text(lab: Lab, request: pytest.FixtureRequest) -> None:
    text, layout = render_columns(list(COLUMNS))
    make_tables(lab.analytics, text)

    @settings(
        max_examples=5000 if request.config.getoption("--long") else 300,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(ROWS)
    def check(rows: list[tuple[Any, ...]]) -> None:
        check_copies(lab.analytics, text, render(text, layout, rows))

    check()


@needs_kernel
def test_every_edge_has_a_binary_form(lab: Lab) -> None:
    text, layout = render_columns(list(COLUMNS))
    make_tables(lab.analytics, text)
    edges = [column[3] for column in COLUMNS.values()]
    longest = max(map(len, edges))
    rows = [tuple(of_one[i % len(of_one)] for of_one in edges) for i in range(longest)]
    check_copies(lab.analytics, text, render(text, layout, rows))


@needs_kernel
@pytest.mark.parametrize("name", CHOSEN)
def test_a_type_that_was_chosen_has_a_binary_form(lab: Lab, name: str) -> None:
    text, layout = render_columns([name])
    make_tables(lab.analytics, text)
    fitting = [value for value in CHOSEN[name][3] if value not in (-1, 2)]
    check_copies(lab.analytics, text, render(text, layout, [(value,) for value in fitting]))


@needs_kernel
@pytest.mark.parametrize(
    ("name", "form", "value"),
    [
        ("small", Form(Wire.INT4), 32768),
        ("small", Form(Wire.INT4), -32769),
        ("number", Form(Wire.UINT4), 2**31),
        ("large", Form(Wire.UINT8), 2**63),
        ("number", Form(Wire.DOUBLE), 1.5),
        ("number", Form(), b"1"),
        ("fee", Form(Wire.INT4), 1),
        ("ratio", Form(Wire.DOUBLE), 0.1),
        ("ratio", Form(Wire.DOUBLE), 1e300),
        ("flag", Form(Wire.INT1), 2),
        ("flag", Form(Wire.INT1), -1),
        ("day", Form(Wire.DATE), (2023, 2, 29, 0, 0, 0, 0)),
        ("day", Form(Wire.DATE), (1900, 2, 29, 0, 0, 0, 0)),
        ("day", Form(Wire.DATE), (2023, 13, 1, 0, 0, 0, 0)),
        ("day", Form(Wire.DATETIME), (2023, 1, 1, 1, 0, 0, 0)),
        ("day", Form(), b"2023-01-01"),
        ("moment", Form(Wire.DATE), (2023, 1, 1, 0, 0, 0, 0)),
        ("moment", Form(Wire.DATETIME), (2023, 1, 1, 24, 0, 0, 0)),
        ("moment", Form(Wire.DATETIME), (2023, 1, 1, 0, 60, 0, 0)),
        ("clock", Form(Wire.TIME), (False, 0, 0, 60, 0, 0)),
        ("clock", Form(Wire.DATETIME), (2023, 1, 1, 0, 0, 0, 0)),
        ("exact", Form(), b""),
        ("exact", Form(), b"-"),
        ("exact", Form(), b"1."),
        ("exact", Form(), b".5"),
        ("exact", Form(), b"1.5 "),
        ("exact", Form(), b"Infinity"),
        ("exact", Form(), b"\\N"),
        ("exact", Form(), b"1" * 101),
        ("exact", Form(Wire.DOUBLE), 1e300),
    ],
)
def test_what_has_no_form_known_here_goes_as_text(name: str, form: Form, value: Any) -> None:
    """Also where it is the last row of a block whose other rows have one."""
    text, layout = render_columns(["words", name, "tiny"])
    layout = Layout(layout.modes, (Form(), form, Form(Wire.UINT1)))
    block = packets.result([(b"a", None, 1), (b"b", value, 2)], layout.forms)
    encoder = Encoder(text)
    rendered = kernel.render(block, layout, with_copy=True, kinds=encoder.kinds)
    assert (rendered.rows, rendered.tuples, rendered.hashes) == (2, None, 0)
    assert rendered.text.count(b"\n") == rendered.copy_text.count(b"\n") == 2
    assert encoder.take(rendered) == (b"", 0)
    assert encoder.kinds is None


def test_a_type_that_is_not_known_here_goes_as_text() -> None:
    table = Table("t", (Column("b", "bit", "bit(3)", True),))
    assert Encoder(render_table(table)).kinds is None


@needs_kernel
@given(st.lists(FORMS, min_size=1, max_size=5), ANY_MODES, st.data())
def test_any_rows_have_whole_tuples_or_none(
    forms: list[Form], modes: list[Mode], data: st.DataObject
) -> None:
    """Whatever kinds are asked for, the lines are those without, and a tuple has all fields."""
    modes = (modes * 5)[: len(forms)]
    row: st.SearchStrategy[Any] = st.tuples(*(st.none() | VALUES[form.wire] for form in forms))
    block = packets.result(data.draw(st.lists(row, max_size=5)), forms)
    layout = Layout(tuple(modes), tuple(forms))
    kinds = bytes(data.draw(st.sampled_from(FieldKind)) for _ in forms)
    rendered = kernel.render(block, layout, with_copy=True, kinds=kinds)
    plain = kernel.render(block, layout, with_copy=True)
    assert replace(rendered, tuples=None, hashes=0) == plain
    if rendered.tuples is not None:
        tuples = packets.read_tuples(rendered.tuples)
        assert [len(fields) for fields in tuples] == [len(forms)] * rendered.rows


@needs_kernel
def test_tuples_grow_beyond_the_block() -> None:
    """Padded numbers as text are many times what was sent: room is made while rows are rendered."""
    layout = Layout((Mode.TEXT,) * 2, (Form(Wire.INT1, 255), Form(Wire.INT1, 255)))
    block = packets.result([(-1, 1)] * 5000, layout.forms)
    rendered = kernel.render(block, layout, with_copy=False, kinds=bytes([FieldKind.TEXT] * 2))
    assert rendered.tuples is not None
    one = b"1".rjust(255, b"0")
    assert packets.read_tuples(rendered.tuples) == [[b"-" + one, one]] * 5000


@needs_kernel
@pytest.mark.parametrize("kinds", [b"", b"\0\0", bytes([len(FieldKind)])])
def test_kinds_that_do_not_fit_the_columns_are_refused(kinds: bytes) -> None:
    layout = Layout((Mode.TEXT,), (Form(),))
    with pytest.raises(ValueError, match="kind"):
        kernel.render(packets.END, layout, with_copy=False, kinds=kinds)
