"""The sanitized encoder of binary COPY on one random text after the other.

    python -m tests.fuzz.encoder_child FILE.so SEED SECONDS

Prints how many texts were tried, and how many of them were encoded.
"""

from __future__ import annotations

import random
import sys
import time

from tests.fuzz.sanitized import load_module

KINDS = 11
FIELDS = [
    *("abc", "", "\\t", "\\\\", "é\\n" * 9),
    *("0", "-1", "5", "-32768", "9223372036854775807", "-9223372036854775808", "1" * 19),
    *("0.0001", "10000.00001", "-0", "1.5", ".", "1."),
    *("1e10", "-1.7976931348623157e308", "124.45000000000002", "5e-324", "1e999", "9" * 70),
    *("1" * 100 + "." + "9" * 100, "1" * 101, "1" * 950),
    *("2020-02-29", "0001-01-01", "9999-12-31", "2020-02-30", "0000-00-00"),
    *("2020-02-29 10:11:12", "2020-02-29 10:11:12.123456", "2020-02-29 10:11:12.1234567"),
    *("00:00:00", "-838:59:59.999", "12:00", "\\\\x", "\\\\xff00", "\\\\xf", "\\N"),
]  # fmt: skip
PIECES = ["\t", "\t", "\n", "\n", "\\", "\\N", "\xff", "-", ".", ":", " ", *"0123456789", *FIELDS]


def main(arguments: list[str]) -> int:
    """Try texts of a seed until the time is over."""
    path, seed, seconds = arguments
    encode = load_module("_binary", path).encode
    choose = random.Random(int(seed))
    deadline = time.monotonic() + float(seconds)
    tried = encoded = 0
    while time.monotonic() < deadline:
        kinds = bytes(choose.randrange(KINDS) for _ in range(choose.randrange(1, 6)))
        if choose.random() < 0.3:
            text = "".join(choose.choices(PIECES, k=choose.randrange(30)))
        else:
            rows = (choose.choices(FIELDS, k=len(kinds)) for _ in range(choose.randrange(4)))
            text = "".join("\t".join(row) + "\n" for row in rows)
        lines = text.encode("latin1")
        found = encode(lines, kinds)
        tried += 1
        if found is not None:
            encoded += 1
            assert len(found[0]) <= 8 * len(lines)
    print(tried, encoded)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
