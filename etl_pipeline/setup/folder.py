"""Write the files of a new configuration; a file that exists is never touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etl_pipeline.config.databases import ENVIRONMENTS
from etl_pipeline.config.providers import DEFAULTS
from etl_pipeline.errors import ConfigurationError
from etl_pipeline.setup.texts import EXAMPLE, GITIGNORE, env_text

PRIVATE, PUBLIC = 0o600, 0o644


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of a new configuration; *is_new* is False where one was there and was kept."""

    path: Path
    is_new: bool
    remark: str


def write_folder(folder: Path, environment: str | None, values: Mapping[str, str]) -> list[NewFile]:
    """Write the files of a new configuration, with an example of a model.

    ``.env_production`` and ``.env_test`` have mode 600.

    Args:
        folder: Made if it is missing, with mode 700.
        environment: The environment whose file gets *values*; None if there are none.
        values: Names and values of its variables.

    Raises:
        ConfigurationError: The folder cannot be written; or *values* are for a file that is there.
    """
    if environment and os.path.lexists(folder / f".env_{environment}"):
        raise ConfigurationError(
            "the file is there already, and is not overwritten",
            where=str(folder / f".env_{environment}"),
            fix="edit it, or move it away first",
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = [
            _write(
                folder / f".env_{name}",
                env_text(name, values if name == environment else {}),
                PRIVATE,
                "filled in from the URLs" if name == environment else "to fill in",
            )
            for name in ENVIRONMENTS
        ]
        pipeline = (DEFAULTS / "pipeline.yml").read_text(encoding="utf-8")
        files.append(_write(folder / "pipeline.yml", pipeline, PUBLIC, "every key has a default"))
        ignored = _write(folder / ".gitignore", GITIGNORE, PUBLIC, "keeps passwords out of git")
        (folder / "models").mkdir(exist_ok=True)
        example = _write(folder / "models" / "example.sql", EXAMPLE, PUBLIC, "a model of your own")
        return [*files, _remark_on_gap(ignored), example]
    except OSError as error:
        raise ConfigurationError(
            f"the file cannot be written ({error.strerror})",
            where=str(error.filename or folder),
            fix="choose a folder of your own: etl init DIR",
        ) from error


def _write(path: Path, text: str, mode: int, remark: str) -> NewFile:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return NewFile(path, False, "was there, and is kept as it is")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return NewFile(path, True, remark)


def _remark_on_gap(ignored: NewFile) -> NewFile:
    if ignored.is_new:
        return ignored
    lines = ignored.path.read_text(encoding="utf-8", errors="replace").split()
    if ".env_*" in lines:
        return ignored
    return NewFile(ignored.path, False, "was there: add a line .env_* to it")
