"""Text that does not print itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Secret(str):
    """A password: a ``str`` to drivers, ``'***'`` in every ``repr``.

    A configuration dictionary, a traceback with local variables, or a failing assertion shows
    values through ``repr``; formatting it on purpose (``f"{secret}"``) gives the text, because
    drivers do that too.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def hide_passwords(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of *values* in which each value whose name ends in PASSWORD is a secret."""
    return {
        name: Secret(value) if name.endswith("PASSWORD") and isinstance(value, str) else value
        for name, value in values.items()
    }
