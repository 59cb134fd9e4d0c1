"""Reads YAML and JSON that strangers wrote, and turns everything that is wrong with it into findings.

Only plain data is accepted: no YAML tags that build objects, no repeated keys, and limits on size, depth and
expansion through aliases, all checked before any value is built.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from planner_graph.errors import DocumentError, Finding, nearest

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 50
MAX_NODES = 2_000_000

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KeyPath = tuple[str | int, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document's plain data, with the line on which each key stands."""

    file: str
    data: dict[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def finding(self, path: KeyPath, problem: str, remedy: str = "", *, prefix: str = "") -> Finding:
        """Build a finding about the key at ``path``."""
        line = next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)
        key = ".".join(part for part in (prefix, key_text(path)) if part) or None
        return Finding(problem=problem, remedy=remedy, file=self.file, line=line, key=key)


def read(path: str | Path) -> Document:
    """Read the YAML or JSON file at ``path``.

    Raises:
        DocumentError: it is missing, unreadable, too large, too deep, no UTF-8, malformed, or not a mapping.
    """
    file = str(path)
    text = _text(Path(path), file)
    document = _parse_json(text, file) if file.endswith(".json") else _parse_yaml(text, file)
    if document.data is None:
        raise _refusal(file, "the file is empty", "write at least one key")
    if not isinstance(document.data, dict):
        raise _refusal(file, f"the top level is a {_kind(document.data)}", "write a mapping of keys to values")
    return document


def validate(model: type[ModelT], document: Document, data: Any, at: KeyPath = ()) -> tuple[ModelT, list[Finding]]:
    """Validate ``data``, found at path ``at`` of the document, and return the value with all findings.

    Where parts are faulty, the returned value is what remains without them, so that later checks can go on and report
    everything at once.
    """
    findings: list[Finding] = []
    remaining = data
    for _ in range(MAX_DEPTH):
        try:
            return model.model_validate(remaining), findings
        except ValidationError as error:
            details = error.errors(include_url=False)
        known = set(findings)
        for detail in details:
            finding = _explain(document, at, model, detail, remaining)
            if finding not in known:
                findings.append(finding)
        remaining = _without(remaining, [_location(detail["loc"], remaining) for detail in details])
    return model.model_validate(_skeleton(model, data)), findings


def key_text(path: Sequence[str | int]) -> str:
    """Write a path the way people do: ``agents.writer.dependencies[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _text(path: Path, file: str) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _refusal(
                file, f"the file has {size / 2**20:.1f} MiB, the limit is {MAX_BYTES // 2**20} MiB", "split it"
            )
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise _refusal(file, "no such file", "check the path") from error
    except IsADirectoryError as error:
        raise _refusal(file, "this is a folder", "name a file in it") from error
    except UnicodeDecodeError as error:
        raise _refusal(file, f"byte {error.start} is not UTF-8", "save the file as UTF-8 text") from error
    except OSError as error:
        raise _refusal(file, f"cannot be read: {error.strerror}", "check the path and its permissions") from error


def _parse_json(text: str, file: str) -> Document:
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in items:
            if key in result:
                repeated.append(key)
            result[key] = value
        return result

    try:
        data = json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise DocumentError(
            [Finding(problem=f"not valid JSON: {error.msg}", remedy="mend the syntax", file=file, line=error.lineno)]
        ) from error
    except RecursionError as error:
        raise _refusal(file, f"nested deeper than {MAX_DEPTH} levels", "flatten it") from error
    if repeated:
        raise DocumentError(
            [Finding(problem=f"key {key!r} is repeated", remedy="keep one", file=file, key=key) for key in repeated]
        )
    if _depth(data) > MAX_DEPTH:
        raise _refusal(file, f"nested deeper than {MAX_DEPTH} levels", "flatten it")
    return Document(file=file, data=data)


def _parse_yaml(text: str, file: str) -> Document:
    try:
        _check_depth(text, file)
        loader = Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return Document(file=file, data=None)  # type: ignore[arg-type]  # refused by the caller
            lines, findings = _walk(root, file)
            if findings:
                raise DocumentError(findings)
            return Document(file=file, data=loader.construct_document(root), lines=lines)
        finally:
            loader.dispose()
    except yaml.constructor.ConstructorError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        problem = str(error.problem)
        remedy = "use plain values only" if "tag" in problem else "mend the value"
        raise DocumentError([Finding(problem=problem, remedy=remedy, file=file, line=line)]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = f"not valid YAML: {error.problem}" + (f" ({error.context})" if error.context else "")
        raise DocumentError(
            [Finding(problem=problem, remedy="mend the syntax", file=file, line=mark.line + 1 if mark else None)]
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _refusal(file, f"not valid YAML: {error}", "mend the syntax") from error


def _check_depth(text: str, file: str) -> None:
    """Refuse deep nesting on the event stream, before anything recursive sees it."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else None
                problem = f"nested deeper than {MAX_DEPTH} levels"
                raise DocumentError([Finding(problem=problem, remedy="flatten it", file=file, line=line)])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _walk(root: Any, file: str) -> tuple[dict[KeyPath, int], list[Finding]]:
    """Collect the line of each key, and repeated keys; bound what aliases expand to."""
    lines: dict[KeyPath, int] = {}
    findings: list[Finding] = []
    pending: list[tuple[KeyPath, Any]] = [((), root)]
    visited = 0
    while pending:
        path, node = pending.pop()
        visited += 1
        if visited > MAX_NODES or len(path) > MAX_DEPTH:
            raise _refusal(file, "aliases expand without end or beyond measure", "write the values out")
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                if name in seen:
                    line = key.start_mark.line + 1
                    problem = f"key {name!r} is repeated"
                    findings.append(
                        Finding(problem=problem, remedy="keep one", file=file, line=line, key=key_text((*path, name)))
                    )
                seen.add(name)
                lines[(*path, name)] = key.start_mark.line + 1
                pending.append(((*path, name), value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                lines[(*path, index)] = value.start_mark.line + 1
                pending.append(((*path, index), value))
    return lines, sorted(findings, key=lambda finding: finding.line or 0)


def _explain(document: Document, at: KeyPath, model: type[BaseModel], detail: Any, data: Any) -> Finding:
    """Turn one of pydantic's errors into a finding in plain words."""
    location = _location(detail["loc"], data)
    path = (*at, *location)
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = _known_keys(model, location)
        name = str(location[-1])
        remedy = f"remove it{nearest(name, known)}" if nearest(name, known) else f"known keys: {', '.join(known)}"
        return document.finding(path, f"unknown key {name!r}", remedy)
    problem = str(detail["ctx"]["error"]) if kind == "value_error" else str(detail["msg"])
    problem, _, remedy = problem.partition("; ")
    if not remedy:
        given = detail.get("input")
        remedy = f"found {_brief(given)}" if kind not in {"missing", "value_error"} else "add it"
        problem = problem[:1].lower() + problem[1:]
    return document.finding(path, problem, remedy)


def _location(loc: Sequence[str | int], data: Any) -> KeyPath:
    """Cut pydantic's location down to the part that exists in the data; validators may have spread short forms."""
    path: list[str | int] = []
    here = data
    for part in loc:
        if isinstance(here, Mapping) and isinstance(part, str) and part in here:
            here = here[part]
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            if not path and isinstance(part, str):
                path.append(part)
            break
        path.append(part)
    return tuple(path)


def _known_keys(model: type[BaseModel], location: KeyPath) -> list[str]:
    """List the keys allowed where an unknown one was found."""
    here: type[BaseModel] | None = model
    for part in location[:-1]:
        if isinstance(part, int) or here is None:
            continue
        found = here.model_fields.get(part)
        here = next(_models_in(found.annotation), None) if found else here
    return list((here or model).model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _without(data: Any, paths: Sequence[KeyPath]) -> Any:
    """Copy ``data`` without what stands at ``paths``; an empty path empties it."""
    if any(not path for path in paths):
        return {}
    by_head: dict[str | int, list[KeyPath]] = {}
    for path in paths:
        by_head.setdefault(path[0], []).append(path[1:])
    if isinstance(data, Mapping):
        return {
            key: _without(value, by_head[key]) if key in by_head else value
            for key, value in data.items()
            if () not in by_head.get(key, [])
        }
    return [
        _without(value, by_head[index]) if index in by_head else value
        for index, value in enumerate(data)
        if () not in by_head.get(index, [])
    ]


def _skeleton(model: type[BaseModel], data: Any) -> dict[str, Any]:
    """Keep only what a value of this model cannot do without."""
    required = [name for name, info in model.model_fields.items() if info.is_required()]
    return {name: data[name] for name in required if isinstance(data, Mapping) and name in data}


def _depth(data: Any) -> int:
    level, deepest = [data], 0
    while level and deepest <= MAX_DEPTH:
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        deepest += 1
    return deepest


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind(value: Any) -> str:
    return {list: "list", str: "text", int: "number", float: "number", bool: "boolean"}.get(type(value), "value")


def _refusal(file: str, problem: str, remedy: str) -> DocumentError:
    return DocumentError([Finding(problem=problem, remedy=remedy, file=file)])
