"""Where configuration comes from: files, the process environment, a dictionary, or your own.

Providers are the only place that looks at ``os.environ``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

from etl_pipeline.config.databases import (
    CONFIG_DIR_VARIABLE,
    ENVIRONMENT_VARIABLE,
    ENVIRONMENTS,
    list_variables,
)
from etl_pipeline.config.env_file import find_lines, read_env_file
from etl_pipeline.config.file_fault import describe_unreadable
from etl_pipeline.config.secret import hide_passwords
from etl_pipeline.config.yaml_file import YamlText, parse_yaml
from etl_pipeline.errors import EnvironmentNotSetError, FaultyConfigurationError

DEFAULTS = Path(__file__).parent / "defaults"
CONFIG_TYPES = ("pipeline", "tables", "env")


class ConfigProvider(ABC):
    """A source of configuration; ``Settings`` asks it once for each kind of configuration."""

    serves_bare_names_to_test: ClassVar[bool] = False
    """True if the environment ``test`` may use a name without ``TEST_`` when none has it."""

    def select_environment(self, environment: str) -> None:  # noqa: B027  (may be ignored)
        """Hear, before the first :meth:`get_config`, for which environment it will be."""

    @abstractmethod
    def get_config(self, config_type: str) -> dict[str, Any]:
        """The configuration ``pipeline``, ``tables`` or ``env``; the caller may change it.

        Raises:
            FaultyConfigurationError: It cannot be read.
        """

    def locate(self, config_type: str, path: tuple[str | int, ...] = ()) -> str:  # noqa: ARG002
        """Return the place of the key at *path*, for messages: a file and line, if there is one."""
        return f"{type(self).__name__} {config_type!r}"


class DictConfigProvider(ConfigProvider):
    """Configuration from dictionaries, for tests; it sees neither files nor ``os.environ``."""

    serves_bare_names_to_test = True

    def __init__(
        self,
        *,
        pipeline: dict[str, Any] | None = None,
        tables: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self._configs: dict[str, dict[str, Any]] = {
            "pipeline": deepcopy(pipeline or {}),
            "tables": deepcopy(tables or {"tables": {}}),
            "env": hide_passwords(dict(env or {})),
        }

    def get_config(self, config_type: str) -> dict[str, Any]:
        """Return a copy of what was given for *config_type*."""
        return deepcopy(self._configs[_known(config_type)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(env names: {', '.join(sorted(self._configs['env']))})"


class FileConfigProvider(ConfigProvider):
    """Configuration from ``pipeline.yml``, ``tables.yml`` and ``.env_<environment>``.

    A YAML file that is not there comes from the defaults in the package. An ``.env_…`` file that
    is there is the only source of its values; if there is none, the process environment is read
    instead, restricted to the names of that environment.

    Args:
        directory: Where the files lie; None means ``ETL_CONFIG_DIR``, or the current directory.
    """

    def __init__(self, directory: Path | str | None = None) -> None:
        chosen = directory or os.environ.get(CONFIG_DIR_VARIABLE) or Path.cwd()
        self.directory = Path(chosen)
        self.environment: str | None = None
        self._yaml: dict[str, YamlText] = {}

    def select_environment(self, environment: str) -> None:
        """Read ``.env_<environment>`` from now on."""
        self.environment = environment

    def get_config(self, config_type: str) -> dict[str, Any]:
        """Read *config_type* from its file, anew at each call."""
        if _known(config_type) == "env":
            return dict(self._read_env())
        text = self._read_yaml(config_type)
        self._yaml[config_type] = text
        if text.faults:
            raise FaultyConfigurationError(text.faults)
        return text.data

    def locate(self, config_type: str, path: tuple[str | int, ...] = ()) -> str:
        """File and line of a key; the nearest key above it where the file does not have it."""
        if config_type == "env":
            return self._locate_variable(str(path[0]) if path else None)
        lines = self._yaml[config_type].lines if config_type in self._yaml else {}
        file = self._yaml_path(config_type)
        for length in range(len(path), -1, -1):
            for candidate in (path[:length], tuple(map(str, path[:length]))):
                if candidate in lines:
                    return f"{file}:{lines[candidate]}"
        return str(file)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.directory)!r})"

    def _locate_variable(self, name: str | None) -> str:
        file = self._env_path()
        if not _exists(file):
            return f"environment (no {file})"
        try:
            lines = find_lines(file.read_text(encoding="utf-8-sig")) if name else {}
        except (OSError, ValueError):
            lines = {}
        return f"{file}:{lines[name]}" if name in lines else str(file)

    def _env_path(self) -> Path:
        return self.directory / f".env_{self._chosen_environment()}"

    def _chosen_environment(self) -> str:
        return self.environment or read_environment()

    def _read_env(self) -> dict[str, str]:
        path = self._env_path()
        if _exists(path):
            return read_env_file(path, self._chosen_environment())
        names = list_variables(self._chosen_environment())
        return hide_passwords({name: os.environ[name] for name in names if name in os.environ})

    def _yaml_path(self, config_type: str) -> Path:
        path = self.directory / f"{config_type}.yml"
        return path if _exists(path) else DEFAULTS / f"{config_type}.yml"

    def _read_yaml(self, config_type: str) -> YamlText:
        path = self._yaml_path(config_type)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            return YamlText(faults=(describe_unreadable(path, error),))
        return parse_yaml(text, where=str(path))


def read_environment() -> str:
    """The environment that ``ETL_ENVIRONMENT`` names; nothing else selects one.

    Raises:
        EnvironmentNotSetError: It is unset, empty or anything but ``production`` or ``test``.
    """
    name = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if not name:
        raise EnvironmentNotSetError(
            f"{ENVIRONMENT_VARIABLE} is not set; allowed: {' or '.join(ENVIRONMENTS)}",
            fix=f"export {ENVIRONMENT_VARIABLE}=test",
        )
    return check_environment(name, where=ENVIRONMENT_VARIABLE)


def check_environment(name: object, *, where: str) -> str:
    """*name* itself, if it is exactly one of the two environments.

    Raises:
        EnvironmentNotSetError: It is not.
    """
    if isinstance(name, str) and name in ENVIRONMENTS:
        return name
    raise EnvironmentNotSetError(
        f"no environment of that name; allowed: {' or '.join(ENVIRONMENTS)}",
        where=where,
        fix=f"export {ENVIRONMENT_VARIABLE}=test",
    )


def _known(config_type: str) -> str:
    if config_type not in CONFIG_TYPES:
        raise ValueError(f"expected one of {', '.join(CONFIG_TYPES)}, got {config_type!r}")
    return config_type


def _exists(path: Path) -> bool:
    # A link to nowhere or a file that we may not see is there: it must not be passed over.
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
