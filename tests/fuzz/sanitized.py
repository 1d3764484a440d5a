"""Builds the kernel so that it ends the process at the first byte it must not touch."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2] / "etl_pipeline" / "transfer" / "_kernel.c"
SANITIZER_EXIT = 77
_FLAGS = [
    "-O1",
    "-g",
    "-fPIC",
    "-shared",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
]


class CannotBuildError(Exception):
    """There is no compiler, no Python header or no sanitizer at hand; the text says which."""


def find_sanitizer() -> Path:
    """The library of the address sanitizer, which must be loaded before Python is.

    Raises:
        CannotBuildError: Something is missing that the build needs.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotBuildError("there is no C compiler")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise CannotBuildError("there are no Python headers")
    answer = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    library = Path(answer.stdout.strip())
    if not library.is_absolute():
        raise CannotBuildError("the compiler has no address sanitizer")
    return library.resolve()


def build_sanitized(folder: Path, *, source: Path = SOURCE, full_packet: int | None = None) -> Path:
    """Compile *source* into *folder* and return the module's file.

    Args:
        folder: A scratch folder.
        source: The kernel, or a copy that was damaged on purpose.
        full_packet: Size from which a row goes on in the next packet; None for the protocol's.

    Raises:
        CannotBuildError: The compiler refused.
    """
    target = folder / f"{source.stem}_{full_packet or 'real'}.so"
    folders = [f"-I{sysconfig.get_path('include')}", f"-I{SOURCE.parent}"]
    command = ["cc", *_FLAGS, *folders, str(source), "-o", str(target)]
    if full_packet:
        command.insert(1, f"-DFULL_PACKET={full_packet}")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CannotBuildError(f"the compiler refused:\n{done.stderr}")
    return target


def load_module(name: str, path: str) -> Any:
    """The compiled module *name* of the transfer package from the file *path*."""
    name = f"etl_pipeline.transfer.{name}"
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def sanitizer_environment(library: Path) -> dict[str, str]:
    """The environment of a Python whose every allocation is watched.

    Python's own allocator would hide where one object ends and the next begins, and what Python
    keeps for its whole life is no leak of the kernel.
    """
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": f"detect_leaks=0:exitcode={SANITIZER_EXIT}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={SANITIZER_EXIT}",
    }
