"""A document's plain data, and the places in its text that findings point at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner_graph.errors import Finding

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: keys of mappings, indices of lists."""


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

    Where ``findings`` report a value that is not plain data, ``data`` holds ``None`` in its place and ``faulty`` its
    path, so that nothing is reported twice.
    """

    file: str
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


def key_text(path: Sequence[str | int]) -> str:
    """Write a path the way people do: ``agents.writer.dependencies[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def by_line(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings about one document from top to bottom; those without a line come first, in given order."""
    return sorted(findings, key=lambda finding: finding.line or 0)
