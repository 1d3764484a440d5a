"""Text that does not print itself."""

from __future__ import annotations


class Secret(str):
    """A password: a ``str`` to drivers, ``'***'`` in every ``repr``.

    A configuration dictionary, a traceback with local variables, or a failing assertion shows
    values through ``repr``; formatting it on purpose (``f"{secret}"``) gives the text, because
    drivers do that too.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
