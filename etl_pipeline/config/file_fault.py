"""A file of the configuration that cannot be read, in our words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from etl_pipeline.errors import Fault

if TYPE_CHECKING:
    from pathlib import Path


def describe_unreadable(path: Path, error: OSError | UnicodeDecodeError) -> Fault:
    """Explain why reading *path* raised *error*."""
    quoted = shlex.quote(str(path))
    if isinstance(error, UnicodeDecodeError):
        fix = f"iconv -f latin1 -t utf-8 {quoted} -o {quoted}"
        return Fault("the file is not UTF-8", str(path), fix)
    what = f"the file cannot be read ({type(error).__name__})"
    return Fault(what, str(path), f"ls -ld {quoted}, and make it a file that this user may read")
