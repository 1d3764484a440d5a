"""The description of a key of a YAML file, and types that keys share.

Each key is described in ``pipeline_file.py`` or ``tables_file.py`` and nowhere else: the reference
in ``docs/configuration.md`` and the JSON Schemas are made from these models (``reference.py``). A
test refuses a key without its words.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


def fill_section(value: object) -> object:
    """Return an empty section for None, as YAML reads one whose keys are all commented out."""
    return {} if value is None else value


Section = BeforeValidator(fill_section)
Count = Annotated[int, Field(ge=1)]
# A year is the longest time that PyMySQL accepts, and shorter than every server's own limit.
Seconds = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(ge=1, le=31_536_000)]
Text = Annotated[str, StringConstraints(min_length=1)]


def key(
    meaning: str,
    *,
    example: object,
    unit: str = "",
    otherwise: object = None,
    default: Any = None,
    is_secret: bool = False,
) -> Any:
    """A key that may be left out, and its words in the reference and the schemas.

    Args:
        meaning: What the key does, as a phrase without a full stop.
        example: A value that one would write.
        unit: Of a number.
        otherwise: What holds when *default* is None: a value, or words.
        default: What the program gets when the key is left out.
        is_secret: Whether it is shown as stars.
    """
    extra: dict[str, Any] = {"unit": unit} if unit else {}
    if is_secret:
        extra["writeOnly"] = True
    if isinstance(otherwise, str):
        extra["otherwise"] = otherwise
    elif otherwise is not None:
        extra["default"] = otherwise
    return Field(default=default, description=meaning, examples=[example], json_schema_extra=extra)


class Model(BaseModel):
    """A section of a YAML file: unknown keys are faults, and values keep their types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
