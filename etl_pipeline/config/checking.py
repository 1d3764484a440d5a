"""Checking configuration data against the models, with every fault at its place."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from etl_pipeline.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    Locate = Callable[[tuple[str | int, ...]], str]

M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "list_type": "a list",
    "too_short": "a list that is not empty",
    "string_pattern_mismatch": "text of the form {pattern}",
    "dict_type": "a mapping of keys to values",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_long": "at most {max_length} characters",
    "window": "hours such as 21:00-06:00, or 21:00-06:00 America/Chicago",
    "time_zone": "a time zone that this machine knows, such as America/Chicago",
}
_KINDS_OF_TEXT = ("literal_error", "window", "time_zone")
_GOT = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
    type(None): "nothing",
}


def check_data(model: type[M], data: object, locate: Locate) -> tuple[M | None, list[Fault]]:
    """Make a *model* of *data*, or find all of its faults; no fault quotes a value.

    Args:
        model: What the data must be.
        data: Mapping as it came from a provider.
        locate: Gives the place (file and line) of a path of keys.

    Returns:
        The model and no faults, or None and at least one fault.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [_describe(model, detail, locate) for detail in details]


def _describe(model: type[BaseModel], detail: ErrorDetails, locate: Locate) -> Fault:
    path = tuple(part for part in detail["loc"] if part != "[key]")
    key = ".".join(map(str, path)) or "the file"
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _describe_unknown(model, path, locate(path))
    context = detail.get("ctx", {})
    template = _EXPECTED.get(kind, "another value")
    expected = template.format(**context)
    value = detail["input"]
    if kind == "literal_error":
        expected = f"one of {expected}" if " or " in expected else expected
    got = "" if "than" in kind or "too" in kind else f", got {_GOT.get(type(value), 'a value')}"
    if kind in _KINDS_OF_TEXT and isinstance(value, str):
        got = ", got other text"
    advice = (
        f"quote the name: '{path[-1]}'"
        if "[key]" in detail["loc"]
        else _suggest_near(kind, expected, value) or _show_example(model, path)
    )
    return Fault(f"{key}: expected {expected}{got}", locate(path), advice)


def _suggest_near(kind: str, expected: str, value: object) -> str | None:
    if kind != "literal_error" or not isinstance(value, str):
        return None
    near = difflib.get_close_matches(value.lower(), expected.split("'")[1::2], n=1)
    return f"did you mean {near[0]}?" if near else None


def _show_example(model: type[BaseModel], path: tuple[Any, ...]) -> str:
    """Return what is allowed at *path*: the key with a value, or the keys under it."""
    field = _find_fields(model, path[:-1]).get(str(path[-1])) if path else None
    if field is not None and field.examples:
        return f"for example {path[-1]}: {field.examples[0]}"
    known = ", ".join(_find_fields(model, path)) or "names"
    return f"write what belongs there below it, indented: {known}"


def _describe_unknown(model: type[BaseModel], path: tuple[Any, ...], place: str) -> Fault:
    known = sorted(_find_fields(model, path[:-1]))
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return Fault(f"{'.'.join(map(str, path))}: unknown key", place, advice)


def _find_fields(model: type[BaseModel], path: tuple[Any, ...]) -> dict[str, FieldInfo]:
    """Return what is allowed under *path*, by name; nothing where any name is."""
    annotation: Any = model
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[part].annotation
        else:
            annotation = get_args(annotation)[1]
            annotation = get_args(annotation)[0] if get_args(annotation) else annotation
    return dict(getattr(annotation, "model_fields", {}))
