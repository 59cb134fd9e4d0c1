"""Makes values of pydantic models from a document's data, and findings from everything that stands in the way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from planner_graph.documents.document import MAX_FINDINGS, Document, KeyPath, shown, told
from planner_graph.documents.messages import in_words
from planner_graph.errors import Finding, nearest
from planner_graph.values import FaultyValueError

ModelT = TypeVar("ModelT", bound=BaseModel)

_MAX_ROUNDS = 20
"""How often what remains is validated again; each check of a field may hide one behind it, and few are stacked."""


def validate(  # noqa: PLR0913  # what a value is made from, options by keyword
    model: type[ModelT],
    document: Document,
    data: Any,
    at: KeyPath = (),
    *,
    given: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
) -> tuple[ModelT | None, list[Finding]]:
    """Validate ``data``, found at path ``at`` of the document, and return the value with all findings.

    ``given`` are fields that the document says otherwise, such as the name that is the key of an entry. Where parts are
    faulty, the value is what remains without them, so that later checks can go on and report everything at once; it is
    ``None`` if nothing remains. ``context`` is what the model's validators find as ``info.context``.
    """
    return _Validation(model, document, at, given or {}, context).run(data)


@dataclass(slots=True)
class _Gone:
    """What was taken out of a collection: the whole of it, or parts of it by key or index."""

    whole: bool = False
    parts: dict[str | int, "_Gone"] = field(default_factory=dict)

    def take(self, path: KeyPath) -> bool:
        """Take out what stands at ``path``; return whether it was still there."""
        here = self
        for part in path:
            if here.whole:
                return False
            here = here.parts.setdefault(part, _Gone())
        taken, here.whole = not here.whole, True
        return taken

    def holds(self, path: KeyPath) -> bool:
        """Whether ``path`` was taken out."""
        here: _Gone | None = self
        for part in path:
            if here is None or here.whole:
                break
            here = here.parts.get(part)
        return here is not None and here.whole

    def rest(self, data: Any, path: KeyPath, kept: dict[KeyPath, list[int]]) -> Any:
        """Copy ``data`` without what was taken out; note in ``kept`` which items of shortened lists remain."""
        if isinstance(data, Mapping):
            return {
                key: self.parts[key].rest(value, (*path, key), kept) if key in self.parts else value
                for key, value in data.items()
                if key not in self.parts or not self.parts[key].whole
            }
        if isinstance(data, list | tuple):
            remain = [index for index in range(len(data)) if index not in self.parts or not self.parts[index].whole]
            kept[path] = remain
            return [
                self.parts[index].rest(data[index], (*path, index), kept) if index in self.parts else data[index]
                for index in remain
            ]
        return data


class _Validation:
    """One value on its way: what is left of its data, and the findings so far."""

    def __init__(
        self,
        model: type[BaseModel],
        document: Document,
        at: KeyPath,
        given: Mapping[str, Any],
        context: Mapping[str, Any] | None,
    ) -> None:
        self.model = model
        self.document = document
        self.at = at
        self.given = given
        self.context = context
        self.gone = _Gone()
        self.findings: dict[Finding, None] = {}

    def run(self, data: Any) -> tuple[Any, list[Finding]]:
        value = None
        for _ in range(_MAX_ROUNDS):
            kept: dict[KeyPath, list[int]] = {}
            rest = self.gone.rest(data, (), kept)
            try:
                complete = {**rest, **self.given} if isinstance(rest, Mapping) else rest
                value = self.model.model_validate(complete, context=dict(self.context) if self.context else None)
                break
            except ValidationError as error:
                details = error.errors(include_url=False)
            taken = [self.take(detail, data, kept) for detail in details]
            if self.gone.whole or not any(taken):
                break
        return value, told(self.findings)

    def take(self, detail: ErrorDetails, data: Any, kept: Mapping[KeyPath, list[int]]) -> bool:
        """Report one of pydantic's errors and take out what it is about; return whether anything was taken."""
        location = _original(detail["loc"], kept)
        error = detail.get("ctx", {}).get("error")
        if isinstance(error, FaultyValueError):
            taken = []
            for fault in error.faults:
                path = _existing((*location, *_original(fault.path, kept, location)), data)
                self.tell(path, fault.problem, fault.remedy)
                taken.append(self.gone.take(path))
            return any(taken)
        if detail["type"] == "missing":
            if not self.gone.holds(location):
                self.tell(location, f"key {str(location[-1])!r} is missing", "add it")
            return self.gone.take(_existing(location[:-1], data))
        path = _existing(location, data)
        if detail["type"] == "extra_forbidden":
            self.tell(path, *self.unknown_key(path))
        else:
            problem, remedy = in_words(detail["type"], detail["input"], detail.get("ctx", {}), detail["msg"])
            self.tell(path, problem, remedy)
        return self.gone.take(path)

    def tell(self, path: KeyPath, problem: str, remedy: str) -> None:
        if path and path[0] in self.given:
            path = ()
        if (*self.at, *path) in self.document.faulty:
            return
        if len(self.findings) <= MAX_FINDINGS:
            self.findings[self.document.finding((*self.at, *path), problem, remedy)] = None

    def unknown_key(self, path: KeyPath) -> tuple[str, str]:
        name = str(path[-1])
        known = [key for key in _known_keys(self.model, path) if key not in self.given or len(path) > 1]
        hint = nearest(name, known) if len(self.findings) <= MAX_FINDINGS else ""  # a walk over all known keys
        return f"unknown key {shown(name)}", f"remove it, {hint}" if hint else f"known keys: {', '.join(known)}"


def _original(loc: Sequence[str | int], kept: Mapping[KeyPath, list[int]], base: KeyPath = ()) -> KeyPath:
    """Translate a location in what remains into one in the document: earlier items may have been taken out."""
    path: list[str | int] = []
    for part in loc:
        remain = kept.get((*base, *path))
        path.append(remain[part] if remain is not None and isinstance(part, int) and part < len(remain) else part)
    return tuple(path)


def _existing(location: KeyPath, data: Any) -> KeyPath:
    """Cut a location down to the part that exists in the data; validators may have spread short forms."""
    path: list[str | int] = []
    here = data
    for part in location:
        if (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list | tuple) and isinstance(part, int) and 0 <= part < len(here)
        ):
            here = here[part]  # type: ignore[index]  # a key of the mapping or an index of the list, as checked
            path.append(part)
        else:
            break
    return tuple(path) if path or not location else location[:1]


def _known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """List the keys allowed where an unknown one was found."""
    here = model
    for part in path[:-1]:
        if isinstance(part, str) and part in here.model_fields:
            here = next(_models_in(here.model_fields[part].annotation), here)
    return list(here.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
