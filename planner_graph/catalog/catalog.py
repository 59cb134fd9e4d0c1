"""All agents that exist, and the rules that say which of them a campaign needs.

A catalog is built from documents (YAML or JSON) and from decorated Python functions, layer on layer: a later layer adds
agents and rules, or overrides single fields of earlier ones. Once built it does not change.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, PrivateAttr

from planner_graph import documents
from planner_graph.catalog.spec import AgentSpec
from planner_graph.errors import CatalogError, Finding
from planner_graph.types import AgentName
from planner_graph.values import Label, Value

SPEC_ATTRIBUTE = "__planner_graph_agent__"

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Condition(Value):
    """When a rule applies: every key that is given must match the campaign. No key at all matches always."""

    campaign_type: Label | None = None
    content_type: Label | None = None
    task_type: Label | None = None
    include_images: bool | None = None


class Rule(Value):
    """Agents that a kind of campaign needs."""

    name: Label
    when: Condition = Condition()
    select: tuple[AgentName, ...] = Field(min_length=1)


class Catalog(Value):
    """Agents and rules by name, in declaration order; that order is what breaks ties in planning."""

    agents: dict[AgentName, AgentSpec] = Field(default_factory=dict)
    rules: dict[str, Rule] = Field(default_factory=dict)

    _files: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def builtin(cls) -> Self:
        """Give the marketing catalog that ships with the package."""
        with resources.as_file(resources.files("planner_graph.catalog") / "marketing.yaml") as path:
            return cls.load(path, label="marketing.yaml")

    @classmethod
    def load(cls, path: str | Path, *, label: str | None = None) -> Self:
        """Read a catalog document.

        Raises:
            DocumentError: the file cannot be read or is neither YAML nor JSON.
            CatalogError: an agent or rule is malformed; all findings at once.
        """
        catalog, findings = cls.read(path, label=label)
        if findings:
            raise CatalogError(findings)
        return catalog

    @classmethod
    def read(cls, path: str | Path, *, label: str | None = None) -> tuple[Self, list[Finding]]:
        """Read a catalog document and all that is wrong with it; the catalog then lacks its faulty parts."""
        document = documents.read(path)
        if label:
            document = documents.Document(file=label, data=document.data, lines=document.lines)
        findings = [
            document.finding((key,), f"unknown key {key!r}", "known keys: agents, rules")
            for key in document.data
            if key not in {"agents", "rules", "$schema"}
        ]
        agents = _entries(AgentSpec, document, "agents", findings)
        rules = _entries(Rule, document, "rules", findings)
        catalog = cls.model_construct(agents=agents, rules=rules)
        catalog._files = {f"{section}.{name}": document.file for section in ("agents", "rules") for name in (agents if section == "agents" else rules)}
        return catalog, findings

    @classmethod
    def of(cls, *agents: AgentSpec | Callable[..., Any], rules: Iterable[Rule] = ()) -> Self:
        """Build a catalog from specs and from functions decorated with :func:`agent`."""
        specs = [spec_of(item) for item in agents]
        repeated = sorted({spec.name for spec in specs if [other.name for other in specs].count(spec.name) > 1})
        if repeated:
            raise CatalogError(
                [Finding(problem=f"agent {name!r} is declared twice", remedy="rename one", key=f"agents.{name}") for name in repeated]
            )
        return cls.model_construct(agents={spec.name: spec for spec in specs}, rules={rule.name: rule for rule in rules})

    def extended(self, *layers: "Catalog | AgentSpec | Callable[..., Any]") -> Self:
        """Lay further agents and rules over this catalog; what an overriding agent does not set stays as it was."""
        agents, rules, files = dict(self.agents), dict(self.rules), dict(self._files)
        for item in layers:
            layer = item if isinstance(item, Catalog) else Catalog.of(item)
            for name, spec in layer.agents.items():
                agents[name] = _overlay(agents[name], spec) if name in agents else spec
            rules.update(layer.rules)
            files.update(layer._files)
        merged = self.model_construct(agents=agents, rules=rules)
        merged._files = files
        return merged

    def file_of(self, key: str) -> str | None:
        """Name the document that an entry came from; ``key`` is ``agents.NAME`` or ``rules.NAME``."""
        return self._files.get(key)


def agent(**declaration: Any) -> Callable[[FunctionT], FunctionT]:
    """Declare the decorated function as the body of an agent; keywords are the fields of :class:`AgentSpec`.

    ``name`` defaults to the function's name, ``description`` to the first line of its docstring.

    >>> @agent(outputs=["draft"], estimate_seconds=5)
    ... def drafter(inputs):
    ...     '''Writes a first draft.'''
    ...     return {"draft": "..."}
    >>> Catalog.of(drafter).agents["drafter"].description
    'Writes a first draft.'
    """

    def decorate(function: FunctionT) -> FunctionT:
        docstring = (function.__doc__ or "").strip().splitlines()
        fields = {"name": function.__name__, "description": docstring[0] if docstring else "", **declaration}
        spec, findings = documents.validate(AgentSpec, documents.Document(file=function.__module__, data=fields), fields)
        if findings:
            raise CatalogError(findings)
        setattr(function, SPEC_ATTRIBUTE, spec)
        return function

    return decorate


def spec_of(item: AgentSpec | Callable[..., Any]) -> AgentSpec:
    """Give the spec that a decorated function carries.

    Raises:
        CatalogError: the function was not decorated with :func:`agent`.
    """
    if isinstance(item, AgentSpec):
        return item
    spec = getattr(item, SPEC_ATTRIBUTE, None)
    if not isinstance(spec, AgentSpec):
        problem = f"{item!r} declares no agent"
        raise CatalogError([Finding(problem=problem, remedy="decorate it with @agent(...)")])
    return spec


def _overlay(base: AgentSpec, layer: AgentSpec) -> AgentSpec:
    changed = layer.model_fields_set - {"name"}
    return base.model_copy(update={name: getattr(layer, name) for name in changed})


ValueT = TypeVar("ValueT", AgentSpec, Rule)


def _entries(
    model: type[ValueT], document: documents.Document, section: str, findings: list[Finding]
) -> dict[Any, ValueT]:
    """Validate each entry of a section by itself, so that one fault does not hide the next."""
    entries = document.data.get(section)
    if entries is None:
        return {}
    if not isinstance(entries, Mapping):
        findings.append(document.finding((section,), f"{section} is no mapping", "write a mapping of names to entries"))
        return {}
    result = {}
    for name, body in entries.items():
        path = (section, str(name))
        if not isinstance(body, Mapping | None):
            findings.append(document.finding(path, f"{name!r} is no mapping", "write its fields as keys and values"))
            continue
        if "name" in (body or {}):
            findings.append(document.finding((*path, "name"), "unknown key 'name'", "the key of the entry is its name"))
        value, found = documents.validate(model, document, {**(body or {}), "name": name}, path)
        findings.extend(found)
        result[value.name] = value
    return result
