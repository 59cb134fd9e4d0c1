"""Builds plain data from tokens in one pass, without recursion, and with every limit checked on the way."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

from planner_graph.documents.document import MAX_FINDINGS, KeyPath, Lines, key_text, shown, told
from planner_graph.documents.tokens import Kind, Marker, NotPlain, Token
from planner_graph.errors import DocumentError, Finding
from planner_graph.values import MAX_DEPTH, TOO_DEEP

MAX_VALUES = 1_000_000
"""How many values a document may hold, with aliases written out."""


class _Mark(Enum):
    """Stands in for a key that is missing so far, or that cannot be one."""

    NO_KEY = auto()
    BAD_KEY = auto()


class _Built(NamedTuple):
    """A finished value with its lines, and what it counts towards the limits."""

    value: Any
    lines: Lines | None = None
    size: int = 1
    height: int = 0


class Built(NamedTuple):
    """What came out of the tokens: the value (``None`` if there were none), its lines, and what is wrong."""

    value: Any
    lines: Lines
    findings: list[Finding]
    faulty: frozenset[KeyPath]


@dataclass(slots=True)
class _Frame:
    """A collection that is still open; ``key`` is the key or index of the value that comes next."""

    value: Any
    line: int
    anchor: str | None
    fault: NotPlain | None
    key: Any
    lines: Lines = field(default_factory=Lines)
    merges: list[_Built] = field(default_factory=list)
    size: int = 1
    height: int = 0


def build(tokens: Iterable[Token], file: str) -> Built:
    """Build the value that ``tokens`` describe.

    Raises:
        DocumentError: it is nested too deep, holds too many values, or an alias makes no sense.
    """
    builder = _Builder(file)
    for token in tokens:
        builder.take(token)
    return builder.result()


class _Builder:
    """Puts each finished value where it belongs: into the innermost open collection."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.open: list[_Frame] = []
        self.anchors: dict[str, _Built | None] = {}
        self.count = 0
        self.root = _Built(None)
        self.findings: list[Finding] = []
        self.faulty: set[KeyPath] = set()

    def result(self) -> Built:
        lines = self.root.lines or Lines()
        return Built(self.root.value, lines, told(self.findings), frozenset(self.faulty))

    def take(self, token: Token) -> None:
        if token.kind is Kind.SCALAR:
            self.add(1, token.line)
            built = _Built(token.value)
            if token.anchor:
                self.anchors[token.anchor] = built
            self.put(built, token.line)
        elif token.kind is Kind.END:
            self.close()
        elif token.kind is Kind.ALIAS:
            built = self.aliased(token)
            self.add(built.size, token.line)
            self.put(built, token.line)
        else:
            self.begin(token)

    def add(self, size: int, line: int) -> None:
        self.count += size
        if self.count > MAX_VALUES:
            problem = f"more than {MAX_VALUES:,} values, with aliases written out"
            raise self.refusal(problem, "split it, or use fewer aliases", line)

    def begin(self, token: Token) -> None:
        self.add(1, token.line)
        if len(self.open) >= MAX_DEPTH:
            raise self.refusal(*TOO_DEEP, token.line)
        mapping = token.kind is Kind.MAPPING
        value: Any = {} if mapping else []
        self.open.append(_Frame(value, token.line, token.anchor, token.value, _Mark.NO_KEY if mapping else 0))
        if token.anchor:
            self.anchors[token.anchor] = None

    def close(self) -> None:
        frame = self.open.pop()
        for merged in frame.merges:
            _merge(frame, merged)
        built = _Built(frame.value, frame.lines, frame.size, frame.height + 1)
        if frame.anchor:
            self.anchors[frame.anchor] = built
        self.put(_Built(frame.fault) if frame.fault else built, frame.line)

    def aliased(self, token: Token) -> _Built:
        if token.value not in self.anchors:
            raise self.refusal(f"alias {shown('*' + token.value)} names no anchor", "define it above", token.line)
        built = self.anchors[token.value]
        if built is None:
            raise self.refusal(f"alias {shown('*' + token.value)} contains itself", "write the value out", token.line)
        if len(self.open) + built.height > MAX_DEPTH:
            raise self.refusal(*TOO_DEEP, token.line)
        return built

    def put(self, built: _Built, line: int) -> None:
        if not self.open:
            self.root = self.plain(built, line)
            return
        frame = self.open[-1]
        if frame.key is _Mark.NO_KEY:
            self.set_key(frame, built, line)
            return
        if frame.key is Marker.MERGE:
            self.add_merge(frame, built, line)
        elif frame.key is not _Mark.BAD_KEY:
            if isinstance(frame.value, list):
                frame.lines.own[frame.key] = line
            built = self.plain(built, line)
            if built.lines:
                frame.lines.inside[frame.key] = built.lines
            if isinstance(frame.value, list):
                frame.value.append(built.value)
            else:
                frame.value[frame.key] = built.value
        frame.size += built.size
        frame.height = max(frame.height, built.height)
        frame.key = frame.key + 1 if isinstance(frame.value, list) else _Mark.NO_KEY

    def set_key(self, frame: _Frame, built: _Built, line: int) -> None:
        key = built.value
        if key is Marker.MERGE:
            frame.key = key
        elif not isinstance(key, str):
            frame.key = _Mark.BAD_KEY
            self.report(_key_problem(key), "write the key as text, in quotes where needed", line)
        elif key in frame.lines.own:
            frame.key = _Mark.BAD_KEY
            problem = f"key {shown(key)} is repeated (first in line {frame.lines.own[key]})"
            self.report(problem, "keep one", line, (*self.path(), key))
        else:
            frame.key = key
            frame.lines.own[key] = line

    def add_merge(self, frame: _Frame, built: _Built, line: int) -> None:
        parts = [built]
        if isinstance(built.value, list) and built.lines:
            inside = built.lines.inside
            parts = [_Built(part, inside.get(index)) for index, part in enumerate(built.value)]
        if all(isinstance(part.value, dict) for part in parts):
            frame.merges += parts
        else:
            self.report("'<<' merges something that is no mapping", "give it an alias of a mapping", line)

    def plain(self, built: _Built, line: int) -> _Built:
        """Replace a value that is not plain data by ``None``, and report it."""
        if built.value is Marker.MERGE:
            return built._replace(value=Marker.MERGE.value)
        if not isinstance(built.value, NotPlain):
            return built
        path = self.path()
        self.faulty.add(path)
        self.report(f"tag {shown(built.value.tag)} is not allowed", "use plain values only", line, path)
        return built._replace(value=None)

    def path(self) -> KeyPath:
        return tuple(frame.key for frame in self.open if isinstance(frame.key, str | int))

    def report(self, problem: str, remedy: str, line: int, path: KeyPath | None = None) -> None:
        if len(self.findings) > MAX_FINDINGS:
            return
        key = key_text(self.path() if path is None else path) or None
        self.findings.append(Finding(problem=problem, remedy=remedy, file=self.file, line=line, key=key))

    def refusal(self, problem: str, remedy: str, line: int) -> DocumentError:
        return DocumentError([Finding(problem=problem, remedy=remedy, file=self.file, line=line)])


def _merge(frame: _Frame, merged: _Built) -> None:
    """Lay the frame's own keys over those of ``merged``."""
    lines = merged.lines or Lines()
    frame.value = {**merged.value, **frame.value}
    own = frame.lines
    inside = {key: part for key, part in lines.inside.items() if key not in own.own}
    frame.lines = Lines({**lines.own, **own.own}, {**inside, **own.inside})


def _key_problem(key: Any) -> str:
    if isinstance(key, dict | list | NotPlain):
        return "a key is not plain text"
    if key is None:
        return "a key is empty"
    return f"key {str(key).lower()} is {'true or false' if isinstance(key, bool) else 'a number'}, not text"
