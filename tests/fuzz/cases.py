"""Cases for the fuzzer: packets of rows, whole and damaged; each follows from its number alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl_pipeline.schema.types import Mode
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
    b"\x01\x02\x03\x04\x01\x01\0\0\0",
)
_SIZES = (3, 4, 5, 56, 57, 58, 59, 61, 62, 122, 250, 251, 252, 300)
_LARGE_SIZES = (65_535, 65_536)


@dataclass(frozen=True, slots=True)
class Case:
    """What one call of the kernel is given."""

    block: bytes
    modes: tuple[Mode, ...]
    with_copy: bool
    is_small_packet: bool


def read_corpus(folder: Path = CORPUS) -> list[tuple[tuple[Mode, ...], bytes]]:
    """Modes and packets of every recorded result: a byte of columns, their modes, the packets."""
    corpus = []
    for path in sorted(folder.glob("*.bin")):
        data = path.read_bytes()
        columns = data[0]
        corpus.append((tuple(Mode(n) for n in data[1 : 1 + columns]), data[1 + columns :]))
    return corpus


def write_corpus(name: str, modes: Sequence[Mode], block: bytes, folder: Path = CORPUS) -> None:
    """Keep the packets of a result as *name*, in the form that ``read_corpus`` reads."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.bin").write_bytes(bytes([len(modes), *modes]) + block)


class Cases:
    """The cases of one seed, by number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._corpus = read_corpus()

    def case(self, number: int) -> Case:
        """Case *number*; the same one in every process."""
        chance = random.Random(f"{self._seed} {number}")
        is_small_packet = chance.random() < 0.5
        modes, block = self._base(chance, is_small_packet)
        for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
            block = self._damage(chance, block)
        if chance.random() < 0.3:
            modes = _other_modes(chance, modes)
        return Case(block, modes, chance.random() < 0.7, is_small_packet)

    def _base(self, chance: random.Random, is_small: bool) -> tuple[tuple[Mode, ...], bytes]:
        kind = chance.random()
        if kind < 0.3 and not is_small and self._corpus:
            return chance.choice(self._corpus)
        if kind < 0.35:
            return _some_modes(chance), chance.randbytes(chance.randrange(64))
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


def _some_modes(chance: random.Random) -> tuple[Mode, ...]:
    return tuple(chance.choice(list(Mode)) for _ in range(chance.choice((1, 1, 2, 3, 5, 12))))


def _other_modes(chance: random.Random, modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    match chance.randrange(3):
        case 0:
            return modes[1:]
        case 1:
            return (*modes, chance.choice(list(Mode)))
        case _:
            return tuple(chance.choice(list(Mode)) for _ in modes)


def _made(chance: random.Random, full: int) -> tuple[tuple[Mode, ...], bytes]:
    """Packets as a server would send them, with an end, an error or nothing after the rows."""
    modes = _some_modes(chance)
    rows: list[list[bytes | None]]
    if chance.random() < 0.05:  # the most output that there can be for a byte of input
        modes = (chance.choice(list(Mode)),) * chance.randrange(1, 200)
        rows = [[chance.choice((None, b"", b"\0"))] * len(modes)] * chance.randrange(1, 4)
    else:
        rows = [[_value(chance) for _ in modes] for _ in range(chance.randrange(5))]
    ends = (packets.END, packets.END, b"", packets.packet(b"\xff\x15\x04#28000no"), b"\x05\0\0")
    payloads = [b"".join(packets.field(value) for value in row) for row in rows]
    parts = [packets.packet(payload, i, full=full) for i, payload in enumerate(payloads)]
    return modes, b"".join(parts) + chance.choice(ends)


def _value(chance: random.Random) -> bytes | None:
    kind = chance.random()
    if kind < 0.1:
        return None
    if kind < 0.6:
        return chance.choice(_VALUES)
    if kind < 0.8:
        return chance.randbytes(chance.randrange(12))
    size = chance.choice(_LARGE_SIZES if chance.random() < 0.02 else _SIZES)
    return chance.choice((b"x", b"\0", b"\\", b"\n")) * size
