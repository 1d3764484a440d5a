"""Reading YAML with the line of every key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etl_pipeline.errors import Fault

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

MOST_VALUES = 100_000
"""Limit of values in a file: five hundred tables with all columns are a tenth of it."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlText:
    """A parsed YAML text: plain values, the line of every key, and the faults."""

    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def parse_yaml(text: str, *, where: str) -> YamlText:
    """Parse *text* as one YAML 1.2 mapping; an empty text is an empty mapping.

    Lines count from 1. Keys that are given twice are all faults, and the first one counts.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        lines: dict[Path, int] = {}
        faults: list[Fault] = []
        if root is not None:
            if _is_bomb(root):
                return YamlText(faults=(_too_much(where),))
            _walk(root, (), where, lines, faults)
            if faults:
                return YamlText(lines=lines, faults=tuple(faults))
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        # Only the place: the parser's own text may quote the file.
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}" if mark else where
        return YamlText(faults=(Fault("this is not YAML", place, "check indentation and quotes"),))
    except (YAMLError, ValueError, RecursionError, TypeError):
        return YamlText(faults=(Fault("this is not YAML", where, "check for stray characters"),))
    if data is None:
        return YamlText()
    if not isinstance(data, dict):
        fault = Fault(
            "expected a mapping of keys to values",
            f"{where}:1",
            "write lines of the form key: value",
        )
        return YamlText(faults=(fault,))
    return YamlText(data, lines)


def _is_bomb(root: Node) -> bool:
    """True if *root* stands for more than ``MOST_VALUES`` values, aliases written out.

    Each node is looked at once, however many aliases name it; one that holds itself has no end.
    """
    sizes: dict[int, float] = {}
    under_way: set[int] = set()
    todo = [root]
    while todo:
        node = todo[-1]
        parts = _parts(node)
        if id(node) in sizes:
            todo.pop()
        elif id(node) in under_way:
            under_way.remove(id(node))
            sizes[id(todo.pop())] = 1 + sum(sizes[id(part)] for part in parts)
        else:
            under_way.add(id(node))
            if any(id(part) in under_way for part in parts):
                return True
            todo += [part for part in parts if id(part) not in sizes]
    return sizes[id(root)] > MOST_VALUES


def _parts(node: Node) -> list[Node]:
    """The nodes right under *node*."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _too_much(where: str) -> Fault:
    return Fault(
        f"aliases (*name) make more than {MOST_VALUES:,} values of this, or hold themselves",
        where,
        "write out what the aliases stand for",
    )


def _walk(node: Node, path: Path, where: str, lines: dict[Path, int], faults: list[Fault]) -> None:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = key.value if isinstance(key.value, str) else "?"
            inner = (*path, name)
            if inner in lines:
                what = f"{'.'.join(map(str, inner))} is given twice, first in line {lines[inner]}"
                faults.append(Fault(what, f"{where}:{line}", "keep one of them"))
                continue
            lines[inner] = line
            _walk(value, inner, where, lines, faults)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*path, index), where, lines, faults)
