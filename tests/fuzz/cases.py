"""Cases for the fuzzer: packets of rows, whole and damaged; each follows from its number alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer.binary import FieldKind
from etl_pipeline.transfer.layout import Form, Layout, Wire
from tests.transfer import packets

CORPUS = Path(__file__).parent / "corpus"
SMALL_PACKET = 61
"""A row of more bytes goes on in the next packet, in the builds that join packets all the time."""

_SPECIAL_BYTES = (0, 1, 4, 5, 9, 10, 13, 45, 48, 78, 92, 250, 251, 252, 253, 254, 255)
_VALUES = (
    b"",
    b"\0",
    b"\\",
    b"\\N",
    b"\\0",
    b"\t\n\r\\\0",
    b"0000-00-00",
    b"0000-",
    b"2022-00",
    b"2022-00-",
    b"2022-11-0",
    b"2022-11-00",
    b"2022-11-00 10:00:00",
    b"-00-00-00",
    b"18446744073709551615",
    b"-0.5",
    b"12345.00010",
    b"1" * 100 + b"." + b"9" * 100,
    b"1" * 950,
    b"0." + b"9" * 950,
    b"\x01\x02\x03\x04\x01\x01\0\0\0",
)
_NUMBERS = (0.0, -0.0, 0.1, 5e-324, -1.7976931348623157e308, 0.30000000000000004, 1e15, 1e-9)
_SIZES = (3, 4, 5, 56, 57, 58, 59, 61, 62, 122, 250, 251, 252, 300)
_LARGE_SIZES = (65_535, 65_536)


@dataclass(frozen=True, slots=True)
class Case:
    """What one call of the kernel is given; *kinds* in a second call, for tuples."""

    block: bytes
    layout: Layout
    kinds: bytes
    with_copy: bool
    is_small_packet: bool


def read_corpus(folder: Path = CORPUS) -> list[tuple[Layout, bytes]]:
    """Layout and packets of every recorded result: a byte of columns, they, the packets."""
    corpus = []
    for path in sorted(folder.glob("*.bin")):
        data = path.read_bytes()
        end = 1 + 3 * data[0]
        columns = data[1:end]
        modes = tuple(Mode(n) for n in columns[::3])
        forms = (Form(Wire(wire), n) for wire, n in zip(columns[1::3], columns[2::3], strict=True))
        corpus.append((Layout(modes, tuple(forms)), data[end:]))
    return corpus


def write_corpus(name: str, layout: Layout, block: bytes, folder: Path = CORPUS) -> None:
    """Keep the packets of a result as *name*, in the form that ``read_corpus`` reads."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.bin").write_bytes(bytes([len(layout.modes)]) + layout.packed + block)


class Cases:
    """The cases of one seed, by number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._corpus = read_corpus()

    def case(self, number: int) -> Case:
        """Case *number*; the same one in every process."""
        chance = random.Random(f"{self._seed} {number}")
        is_small_packet = chance.random() < 0.5
        layout, block = self._base(chance, is_small_packet)
        for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
            block = self._damage(chance, block)
        if chance.random() < 0.3:
            layout = _other_layout(chance, layout)
        kinds = bytes(
            _some_kind(chance, mode, form)
            for mode, form in zip(layout.modes, layout.forms, strict=True)
        )
        return Case(block, layout, kinds, chance.random() < 0.7, is_small_packet)

    def _base(self, chance: random.Random, is_small: bool) -> tuple[Layout, bytes]:
        kind = chance.random()
        if kind < 0.3 and not is_small and self._corpus:
            return chance.choice(self._corpus)
        if kind < 0.35:
            return _some_layout(chance), chance.randbytes(chance.randrange(64))
        return _made(chance, SMALL_PACKET if is_small else packets.FULL)

    def _damage(self, chance: random.Random, block: bytes) -> bytes:
        at = chance.randrange(len(block) + 1)
        end = min(len(block), at + chance.choice((1, 1, 1, 2, 4, 8, 60)))
        match chance.randrange(7):
            case 0:
                return block[:at]
            case 1:
                return block[:at] + block[end:]
            case 2:
                return block[:at] + bytes([chance.choice(_SPECIAL_BYTES)]) + block[at + 1 :]
            case 3:
                return block[:at] + chance.randbytes(end - at) + block[end:]
            case 4:
                return block[:end] + block[at:]
            case 5:
                huge = b"\xfe" + chance.choice(
                    (b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0" * 7 + b"\x80")
                )
                return block[:at] + huge + block[at + chance.choice((0, 1, 9)) :]
            case _:
                other = _made(chance, packets.FULL)[1]
                return block[:at] + other[chance.randrange(len(other) + 1) :]


def _some_layout(chance: random.Random) -> Layout:
    columns = chance.choice((1, 1, 2, 3, 5, 12))
    return _layout([_some_mode(chance) for _ in range(columns)], chance)


def _layout(modes: list[Mode], chance: random.Random) -> Layout:
    return Layout(tuple(modes), tuple(_some_form(chance) for _ in modes))


def _some_mode(chance: random.Random) -> Mode:
    return chance.choice(list(Mode))


def _some_form(chance: random.Random) -> Form:
    wire = Wire.BYTES if chance.random() < 0.5 else chance.choice(list(Wire))
    if wire in (Wire.DATETIME, Wire.TIME):
        return Form(wire, chance.randrange(8))
    if Wire.INT1 <= wire <= Wire.UINT8:
        return Form(wire, chance.choice((0, 0, 0, 4, 20, 255)))
    return Form(wire)


_FITTING = {
    Wire.FLOAT: (FieldKind.REAL, FieldKind.DOUBLE),
    Wire.DOUBLE: (FieldKind.REAL, FieldKind.DOUBLE),
    Wire.DATE: (FieldKind.DATE,),
    Wire.DATETIME: (FieldKind.TIMESTAMP,),
    Wire.TIME: (FieldKind.INTERVAL,),
}
_OF_NUMBERS = (
    FieldKind.SMALLINT,
    FieldKind.INTEGER,
    FieldKind.BIGINT,
    FieldKind.NUMERIC,
    FieldKind.BOOLEAN,
    FieldKind.TEXT,
)


def _some_kind(chance: random.Random, mode: Mode, form: Form) -> FieldKind:
    """Mostly one that the column may have: a row whose value has no form gives no tuple at all."""
    if chance.random() < 0.05:
        return chance.choice(list(FieldKind))
    if form.wire is Wire.BYTES:
        fits = chance.choice((FieldKind.TEXT, FieldKind.TEXT, FieldKind.NUMERIC, FieldKind.BOOLEAN))
        return FieldKind.BYTEA if mode in (Mode.BINARY, Mode.GEOMETRY) else fits
    return chance.choice((*_FITTING.get(form.wire, _OF_NUMBERS), FieldKind.TEXT))


def _other_layout(chance: random.Random, layout: Layout) -> Layout:
    match chance.randrange(4):
        case 0:
            return Layout(layout.modes[1:], layout.forms[1:])
        case 1:
            return Layout((*layout.modes, _some_mode(chance)), (*layout.forms, _some_form(chance)))
        case 2:
            return Layout(tuple(_some_mode(chance) for _ in layout.modes), layout.forms)
        case _:
            return Layout(layout.modes, tuple(_some_form(chance) for _ in layout.forms))


def _made(chance: random.Random, full: int) -> tuple[Layout, bytes]:
    """Packets as a server would send them, with an end, an error or nothing after the rows."""
    layout = _some_layout(chance)
    rows: list[list[Any]]
    if chance.random() < 0.05:  # the most output that there can be for a byte of input
        columns = chance.randrange(1, 200)
        form = chance.choice((Form(), Form(Wire.DATETIME, 6), Form(Wire.INT1, 255)))
        layout = Layout((_some_mode(chance),) * columns, (form,) * columns)
        one = {Wire.BYTES: (None, b"", b"\0"), Wire.INT1: (-1,)}.get(form.wire, ((0,) * 7,))
        rows = [[chance.choice(one)] * columns] * chance.choice((1, 2, 3, 30))
    else:
        rows = [[_value(chance, form) for form in layout.forms] for _ in range(chance.randrange(5))]
    ends = (packets.END, packets.END, b"", packets.packet(b"\xff\x15\x04#28000no"), b"\x05\0\0")
    payloads = [packets.row_payload(row, layout.forms) for row in rows]
    parts = [packets.packet(payload, i, full=full) for i, payload in enumerate(payloads)]
    return layout, b"".join(parts) + chance.choice(ends)


def _value(chance: random.Random, form: Form) -> Any:
    kind = chance.random()
    if kind < 0.1:
        return None
    match form.wire:
        case Wire.BYTES:
            return _bytes(chance, kind)
        case Wire.FLOAT | Wire.DOUBLE:
            number = chance.choice(_NUMBERS) if kind < 0.6 else chance.uniform(-1e9, 1e9)
            return number if form.wire is Wire.DOUBLE else max(number, -1e38)
        case Wire.DATE | Wire.DATETIME:
            date = chance.choice(((0, 0, 0), (2022, 11, 0), (2022, 0, 3), (9999, 12, 31)))
            clock = chance.choice(((0, 0, 0, 0), (23, 59, 59, 0), (1, 2, 3, 120_000)))
            return (*date, *(clock if form.wire is Wire.DATETIME else (0, 0, 0, 0)))
        case Wire.TIME:
            return chance.choice(((0,) * 6, (1, 34, 22, 59, 59, 0), (0, 0, 1, 2, 3, 999_999)))
    bits = 8 * len(packets.value(form, 0))
    least = 0 if form.wire % 2 == 0 else -(1 << bits - 1)
    most = least + (1 << bits) - 1
    return chance.choice((least, most, 0, min(most, 7), chance.randint(least, most)))


def _bytes(chance: random.Random, kind: float) -> bytes:
    if kind < 0.6:
        return chance.choice(_VALUES)
    if kind < 0.8:
        return chance.randbytes(chance.randrange(12))
    size = chance.choice(_LARGE_SIZES if chance.random() < 0.02 else _SIZES)
    return chance.choice((b"x", b"\0", b"\\", b"\n")) * size
