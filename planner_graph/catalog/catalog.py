"""All agents that exist, and the rules that say which of them a campaign needs.

A catalog is built from documents (YAML or JSON) and from decorated Python functions, layer on layer: a later layer adds
agents and rules, or overrides single fields of earlier ones. Once built it does not change.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, PrivateAttr

from planner_graph import documents
from planner_graph.catalog.pool import Pool, pools_of
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import REPORTED_NAMES, AgentSpec, ValueName, check_agent_name
from planner_graph.documents import NOWHERE, Document, KeyPath
from planner_graph.errors import CatalogError, Finding, nearest
from planner_graph.redaction import without_secrets
from planner_graph.types import AgentName
from planner_graph.values import Fault, FaultyValueError, Value, without_repeats

ENTRY_POINT_GROUP = "planner_graph.agents"
"""The group of entry points under which installed packages offer agents."""

_SPEC_ATTRIBUTE = "__planner_graph_agent__"
SECTIONS = ("agents", "rules", "pools", "secrets")

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
EntryT = TypeVar("EntryT", "AgentSpec", "Rule", "Pool")


class Catalog(Value):
    """Agents, rules and pools by name, in declaration order; that order is what breaks ties in planning."""

    agents: dict[AgentName, AgentSpec] = Field(default_factory=dict)
    rules: dict[str, Rule] = Field(default_factory=dict)
    pools: dict[str, Pool] = Field(default_factory=dict)
    secrets: tuple[str, ...] = Field(
        default=(), description="Names of inputs, outputs and configuration keys whose values are never shown."
    )

    _origins: dict[KeyPath, Document] = PrivateAttr(default_factory=dict)

    @classmethod
    def builtin(cls) -> Self:
        """Give the marketing catalog that ships with the package."""
        with resources.as_file(resources.files("planner_graph.catalog") / "marketing.yaml") as path:
            return cls.load(path, label="marketing.yaml")

    @classmethod
    def load(cls, path: str | Path, *, label: str | None = None) -> Self:
        """Read a catalog document; findings call it ``label`` if given, else by its path.

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
        """Read a catalog document and all that is wrong with it; the catalog then lacks its faulty parts.

        Raises:
            DocumentError: the file cannot be read or is neither YAML nor JSON.
        """
        document = documents.read(path)
        if label:
            named = tuple(replace(finding, file=label) for finding in document.findings)
            document = replace(document, file=label, findings=named)
        findings = [*document.findings, *_unknown_sections(document)]
        reported = _names_not_allowed(document)
        agents = _entries(AgentSpec, document, "agents", findings, reported)
        rules = _entries(Rule, document, "rules", findings, reported)
        pools = _entries(Pool, document, "pools", findings, {})
        secrets, found = _secrets(document)
        keys: list[KeyPath] = [("agents", name) for name in agents]
        keys += [*(("rules", name) for name in rules), *(("pools", name) for name in pools)]
        keys += [("secrets", name) for name in secrets]
        origins = dict.fromkeys(keys, document)
        return cls._of(agents, rules, pools, origins, secrets), documents.told([*findings, *found])

    @classmethod
    def of(
        cls,
        *agents: AgentSpec | Callable[..., Any],
        rules: Iterable[Rule] = (),
        pools: Mapping[str, Any] | Iterable[Pool] = (),
        secrets: Iterable[str] = (),
    ) -> Self:
        """Build a catalog from specs and from functions decorated with :func:`agent`.

        ``pools`` are values of :class:`Pool`, or by name as in a document: ``{"llm": {"capacity": 8}}``.

        Raises:
            CatalogError: a function is not decorated, two agents, rules or pools have the same name, or a pool is
                malformed.
        """
        specs = [spec_of(item) for item in agents]
        rules = list(rules)
        shared = pools_of(pools)
        findings = [
            *_twice("agent", [spec.name for spec in specs]),
            *_twice("rule", [rule.name for rule in rules]),
            *_twice("pool", [pool.name for pool in shared]),
        ]
        if findings:
            raise CatalogError(findings)
        by_name = {spec.name: spec for spec in specs}
        named = {pool.name: pool for pool in shared}
        return cls._of(by_name, {rule.name: rule for rule in rules}, named, {}, tuple(dict.fromkeys(secrets)))

    def extended(self, *layers: "Catalog | AgentSpec | Callable[..., Any]") -> Self:
        """Lay further agents and rules over this catalog.

        An agent of a layer that has the name of an earlier one overrides the fields that it sets, and leaves the others
        as they were. A rule or a pool replaces the earlier one of its name. Names of secrets add up: no layer shows
        what an earlier one hides.
        """
        agents, rules, pools, origins = dict(self.agents), dict(self.rules), dict(self.pools), dict(self._origins)
        secrets = dict.fromkeys(self.secrets)
        for item in layers:
            layer = item if isinstance(item, Catalog) else Catalog.of(item)
            for name, spec in layer.agents.items():
                if name in agents:
                    _move_origins(origins, agents[name], spec, layer)
                    agents[name] = _overlay(agents[name], spec)
                else:
                    agents[name] = spec
            rules.update(layer.rules)
            pools.update(layer.pools)
            for key in (*(("rules", rule) for rule in layer.rules), *(("pools", pool) for pool in layer.pools)):
                origins.pop(key, None)
            secrets |= dict.fromkeys(layer.secrets)
            origins.update(layer._origins)  # noqa: SLF001  # its own class
        return self._of(agents, rules, pools, origins, tuple(secrets))

    def for_people(self) -> dict[str, Any]:
        """Return the catalog as plain values, with placeholders in place of secret values of configurations."""
        plain = self.model_dump(mode="json")
        for spec in plain["agents"].values():
            spec["configuration"] = without_secrets(spec["configuration"], self.secrets)
        return plain

    def declared_values(self) -> dict[str, None]:
        """Return the names of all inputs, outputs and configuration keys of agents, in order."""
        return {
            name: None
            for spec in self.agents.values()
            for name in (*(item.name for item in spec.inputs), *spec.outputs, *spec.configuration)
        }

    def file_of(self, key: str) -> str | None:
        """Name the document that an entry came from; ``key`` is ``agents.NAME``, ``rules.NAME`` or ``pools.NAME``."""
        section, _, name = key.partition(".")
        return self._origins.get((section, name), NOWHERE).file

    def finding(self, path: KeyPath, problem: str, remedy: str = "", *, agents: Iterable[str] = ()) -> Finding:
        """Build a finding about the key at ``path``, with the file and line it came from as far as they are known."""
        document = next((self._origins[path[:end]] for end in (3, 2) if path[:end] in self._origins), NOWHERE)
        return document.finding(path, problem, remedy, agents=agents)

    def finding_about_secret(self, name: str, problem: str, remedy: str) -> Finding:
        """Build a finding about a name of a secret, with the file and line it came from as far as they are known."""
        document = self._origins.get(("secrets", name), NOWHERE)
        named = document.data.get("secrets") if document is not NOWHERE else None
        position = (named if isinstance(named, list | tuple) else self.secrets).index(name)
        return document.finding(("secrets", position), problem, remedy)

    @classmethod
    def _of(
        cls,
        agents: dict[AgentName, AgentSpec],
        rules: dict[str, Rule],
        pools: dict[str, Pool],
        origins: Mapping[KeyPath, Document],
        secrets: tuple[str, ...] = (),
    ) -> Self:
        """Build a catalog from parts that are already valid."""
        catalog = cls.model_construct(agents=agents, rules=rules, pools=pools, secrets=secrets)
        catalog._origins = dict(origins)  # noqa: SLF001  # its own class
        return catalog


def agent(**declaration: Any) -> Callable[[FunctionT], FunctionT]:
    """Declare the decorated function as the body of an agent; keywords are the fields of :class:`AgentSpec`.

    ``name`` defaults to the function's name, ``description`` to the first paragraph of its docstring.

    >>> @agent(outputs=["draft"], estimate_seconds=5)
    ... def drafter(inputs):
    ...     '''Writes a first draft.'''
    ...     return {"draft": "..."}
    >>> Catalog.of(drafter).agents["drafter"].description
    'Writes a first draft.'

    Raises:
        CatalogError: the declaration is malformed; all findings at once.
    """

    def decorate(function: FunctionT) -> FunctionT:
        fields = {"name": getattr(function, "__name__", ""), **_described(function), **declaration}
        at = ("agents", str(fields["name"]))
        document = Document(file=getattr(function, "__module__", None) or "python", data=fields)
        spec, findings = documents.validate(AgentSpec, document, fields, at)
        if findings or spec is None:
            raise CatalogError(findings)
        setattr(function, _SPEC_ATTRIBUTE, spec)
        return function

    return decorate


def declared_by(function: Any) -> AgentSpec | None:
    """Give the spec that a function decorated with :func:`agent` carries; ``None`` for anything else."""
    spec = getattr(function, _SPEC_ATTRIBUTE, None)
    return spec if isinstance(spec, AgentSpec) else None


def spec_of(item: AgentSpec | Callable[..., Any]) -> AgentSpec:
    """Give ``item`` if it is a spec, else the one that it carries as a decorated function.

    Raises:
        CatalogError: the function was not decorated with :func:`agent`.
    """
    spec = item if isinstance(item, AgentSpec) else declared_by(item)
    if spec is None:
        problem = f"{getattr(item, '__qualname__', item)!r} declares no agent"
        raise CatalogError([Finding(problem=problem, remedy="decorate it with @agent(...)")])
    return spec


def _described(function: Callable[..., Any]) -> dict[str, str]:
    """Take the description from the first paragraph of the docstring; nothing if there is none."""
    paragraph = (function.__doc__ or "").strip().partition("\n\n")[0]
    return {"description": " ".join(paragraph.split())} if paragraph else {}


def _overlay(base: AgentSpec, layer: AgentSpec) -> AgentSpec:
    """Lay the fields that ``layer`` sets over ``base``; back-off is laid over key by key."""
    changed = {name: getattr(layer, name) for name in sorted(layer.model_fields_set - {"name"})}
    if "backoff" in changed:
        backoff = {name: getattr(layer.backoff, name) for name in sorted(layer.backoff.model_fields_set)}
        changed["backoff"] = base.backoff.model_copy(update=backoff)
    return base.model_copy(update=changed)


def _move_origins(origins: dict[KeyPath, Document], base: AgentSpec, layer: AgentSpec, catalog: Catalog) -> None:
    """Remember which fields of an overridden agent still come from where they came from before."""
    old = origins.pop(("agents", base.name), None)
    new = catalog._origins.get(("agents", base.name))  # noqa: SLF001  # of this module
    for name in sorted(base.model_fields_set):
        if old:
            origins.setdefault(("agents", base.name, name), old)
    for name in sorted(layer.model_fields_set):
        origins.pop(("agents", base.name, name), None)
        if new:
            origins["agents", base.name, name] = new


def _twice(what: str, names: Iterable[str]) -> list[Finding]:
    return [
        Finding(problem=f"{what} {name!r} is declared twice", remedy="rename one", key=f"{what}s.{name}")
        for name, count in Counter(names).items()
        if count > 1
    ]


class _Secrets(Value):
    """The section of that name."""

    secrets: Annotated[tuple[ValueName, ...], without_repeats("secret")] = ()


def _secrets(document: Document) -> tuple[tuple[str, ...], list[Finding]]:
    """Read the names of secrets, and what is wrong with them."""
    given = document.data.get("secrets")
    if given is None:
        return (), []
    section, findings = documents.validate(_Secrets, document, {"secrets": given})
    return (section.secrets if section else ()), list(findings)


def _unknown_sections(document: Document) -> list[Finding]:
    findings = []
    for key in document.data:
        if key not in {*SECTIONS, "$schema"}:
            hint = nearest(key, SECTIONS)
            remedy = f"remove it, {hint}" if hint else f"known keys: {', '.join(SECTIONS)}"
            findings.append(document.finding((key,), f"unknown key {key!r}", remedy))
    return findings


def _names_not_allowed(document: Document) -> dict[str, Fault]:
    """Return what is wrong with the names under which agents are declared, by name."""
    agents = document.data.get("agents")
    faults = {}
    for name in agents if isinstance(agents, Mapping) else ():
        try:
            check_agent_name(name)
        except FaultyValueError as error:
            [faults[name]] = error.faults
    return faults


def _entries(
    model: type[EntryT], document: Document, section: str, findings: list[Finding], reported: Mapping[str, Fault]
) -> dict[Any, EntryT]:
    """Validate each entry of a section by itself, so that one fault does not hide the next.

    The names in ``reported`` are not allowed: reported where agents are declared so, and taken as they are elsewhere.
    """
    entries = document.data.get(section)
    if entries is None:
        return {}
    if not isinstance(entries, Mapping):
        findings.append(
            document.finding((section,), f"{section!r} is no mapping", "write a mapping of names to entries")
        )
        return {}
    result = {}
    for name, body in entries.items():
        path: KeyPath = (section, name)
        fields = {} if body is None else body
        if not isinstance(fields, Mapping):
            findings.append(document.finding(path, f"{name!r} is no mapping", "write its fields as keys and values"))
            fields = {}
        if "name" in fields:
            findings.append(document.finding((*path, "name"), "unknown key 'name'", "the key of the entry is its name"))
        if section == "agents" and name in reported:
            findings.append(document.finding(path, reported[name].problem, reported[name].remedy))
        context = {REPORTED_NAMES: reported}
        value, found = documents.validate(model, document, fields, path, given={"name": name}, context=context)
        findings += found
        if value is not None:
            result[value.name] = value
    return result
