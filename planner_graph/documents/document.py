"""A document's plain data, and the places in its text that findings point at."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner_graph.errors import Finding

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: keys of mappings, indices of lists."""

MAX_FINDINGS = 1_000
"""How many findings are told at one go; whoever collects them may stop at one more."""

_WORD = re.compile(r"[\w.-]{1,100}")
_LONGEST = 60


@dataclass(slots=True)
class Lines:
    """The 1-based line of each key or item of one collection, and the lines inside those that are collections."""

    own: dict[str | int, int] = field(default_factory=dict)
    inside: dict[str | int, "Lines"] = field(default_factory=dict)

    def find(self, path: KeyPath) -> int | None:
        """Give the line of ``path``, or of the nearest key around it that has one."""
        here, line = self, None
        for part in path:
            line = here.own.get(part, line)
            if part not in here.inside:
                break
            here = here.inside[part]
        return line


@dataclass(frozen=True, kw_only=True)
class Document:
    """A mapping that was read, the lines of its keys, and what is wrong with it apart from its meaning.

    ``file`` is ``None`` for values that were made in Python (:data:`NOWHERE`).
    Where ``findings`` report a value that is not plain data, ``data`` holds ``None`` in its place and ``faulty`` its
    path, so that nothing is reported twice.
    """

    file: str | None
    data: dict[str, Any]
    lines: Lines = field(default_factory=Lines)
    findings: tuple[Finding, ...] = ()
    faulty: frozenset[KeyPath] = frozenset()

    def finding(self, path: KeyPath, problem: str, remedy: str = "", *, agents: Iterable[str] = ()) -> Finding:
        """Build a finding about the key at ``path``."""
        return Finding(
            problem=problem,
            remedy=remedy,
            file=self.file,
            line=self.lines.find(path),
            key=key_text(path) or None,
            agents=tuple(agents),
        )


NOWHERE = Document(file=None, data={})
"""The document of what comes from none."""


def key_text(path: Sequence[str | int]) -> str:
    """Write a path the way people do: ``agents.writer.dependencies[0]``; odd keys in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if _WORD.fullmatch(part) else shown(part)
            text += f".{word}" if text else word
    return text


def shown(value: Any) -> str:
    """Show a value the way its document writes it, shortened."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value[:_LONGEST] if isinstance(value, str) else value)
    cut = len(text) > _LONGEST or (isinstance(value, str) and len(value) > _LONGEST)
    return f"{text[: _LONGEST - 3]}..." if cut else text


def told(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings about one document from top to bottom, and cut them off after :data:`MAX_FINDINGS`."""
    ordered = sorted(findings, key=lambda finding: finding.line or 0)
    if len(ordered) <= MAX_FINDINGS:
        return ordered
    last = ordered[MAX_FINDINGS - 1]
    rest = Finding(problem="more problems are not listed", remedy="fix these first", file=last.file, line=last.line)
    return [*ordered[:MAX_FINDINGS], rest]
