"""What in a catalog contradicts itself: names that nobody has, outputs that two agents claim.

Circular dependencies are not looked for here: they depend on which agents are selected, so planning names them.
"""

from collections.abc import Iterable, Iterator, Mapping

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import AgentSpec
from planner_graph.catalog.spelling import misspelt
from planner_graph.errors import Finding, cycle_text, nearest
from planner_graph.types import AgentName

MAX_HINTS = 20
"""How many unknown names are given their nearest known one; each costs a walk over all names."""


def findings(catalog: Catalog) -> list[Finding]:
    """Report every contradiction: agent by agent in catalog order, then outputs, rules, names of secrets."""
    return _Check(catalog).findings()


class _Check:
    """The checks of one catalog, with what they share."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.circles = _fallback_circles(catalog.agents)
        self.hints_left = MAX_HINTS
        self.givers: dict[str, list[AgentName]] = {}
        for spec in catalog.agents.values():
            for output in spec.outputs:
                self.givers.setdefault(output, []).append(spec.name)

    def findings(self) -> list[Finding]:
        found: list[Finding] = []
        for spec in self.catalog.agents.values():
            found += self.dependencies(spec)
            found += self.fallback(spec)
            found += self.resources(spec)
        return [*found, *self.outputs(), *self.rules(), *self.secrets()]

    def secrets(self) -> Iterator[Finding]:
        """Report names of secrets that no agent declares, which would hide nothing."""
        known = self.catalog.declared_values() if self.catalog.secrets else {}
        for name in self.catalog.secrets:
            if name not in known:
                problem = f"the secret {name!r} is no input, output or configuration key of an agent"
                hint = nearest(name, known) if self.hints_left else ""
                self.hints_left -= bool(self.hints_left)
                remedy = f"declare it or remove it, {hint}" if hint else "declare it or remove it"
                yield self.catalog.finding_about_secret(name, problem, remedy)

    def dependencies(self, spec: AgentSpec) -> Iterator[Finding]:
        for position, dependency in enumerate(spec.dependencies):
            path = ("agents", spec.name, "dependencies", position)
            if dependency.agent == spec.name:
                yield self.catalog.finding(path, f"agent {spec.name!r} depends on itself", "remove the dependency")
            elif dependency.agent not in self.catalog.agents:
                problem = f"agent {spec.name!r} depends on an unknown agent {dependency.agent!r}"
                yield self.catalog.finding(path, problem, self.remedy(dependency.agent, spec.name))

    def fallback(self, spec: AgentSpec) -> Iterator[Finding]:
        path = ("agents", spec.name, "fallback")
        if spec.fallback == spec.name:
            yield self.catalog.finding(path, f"agent {spec.name!r} is its own fallback", "name another agent")
        elif spec.fallback is not None and spec.fallback not in self.catalog.agents:
            problem = f"agent {spec.name!r} has an unknown fallback {spec.fallback!r}"
            yield self.catalog.finding(path, problem, self.remedy(spec.fallback, spec.name))
        elif spec.fallback is not None and (lacking := self.lacking(spec, spec.fallback)):
            problem = f"the fallback {spec.fallback!r} of agent {spec.name!r} does not give {lacking}"
            remedy = f"declare the output in {spec.fallback!r} or name another fallback"
            yield self.catalog.finding(path, problem, remedy, agents=(spec.name, spec.fallback))
        elif spec.name in self.circles:
            circle = self.circles[spec.name]
            problem = f"circular fallback: {cycle_text(circle, 'falls back on')}"
            yield self.catalog.finding(path, problem, "leave one of them without a fallback", agents=circle)

    def lacking(self, spec: AgentSpec, fallback: AgentName) -> str:
        """List the outputs of an agent that its fallback does not declare."""
        return ", ".join(repr(name) for name in spec.outputs if name not in self.catalog.agents[fallback].outputs)

    def resources(self, spec: AgentSpec) -> Iterator[Finding]:
        """Report needs of more than there is, and pools that must be declared ones misspelt."""
        for name, amount in spec.resources.items() if self.catalog.pools else ():
            path = ("agents", spec.name, "resources", name)
            pool = self.catalog.pools.get(name)
            if pool is not None and amount > pool.capacity:
                problem = f"agent {spec.name!r} needs {amount:g} of {name!r}, but its capacity is {pool.capacity:g}"
                yield self.catalog.finding(path, problem, f"raise pools.{name}.capacity or lower the agent's need")
            elif pool is None and (meant := misspelt(name, self.catalog.pools)):
                problem = f"agent {spec.name!r} needs {name!r}, which is no declared pool"
                yield self.catalog.finding(path, problem, f"declare it under pools, did you mean {meant!r}?")

    def outputs(self) -> Iterator[Finding]:
        """Report outputs of several agents, unless all but one stand in for that one."""
        for output, names in self.givers.items():
            if len(names) == 1:
                continue
            stand_ins = {other for name in names for other in _stand_ins(name, self.catalog.agents)}
            first, *others = [name for name in names if name not in stand_ins] or names[:1]
            for name in others:
                path = ("agents", name, "outputs", self.catalog.agents[name].outputs.index(output))
                problem = f"output {output!r} is already produced by agent {first!r}"
                remedy = "rename one of them, or make one agent the fallback of the other"
                yield self.catalog.finding(path, problem, remedy, agents=(first, name))

    def rules(self) -> Iterator[Finding]:
        for rule in self.catalog.rules.values():
            for keys, verb, names in (
                (("select",), "selects", rule.select),
                (("without",), "leaves out", rule.without),
                (("when", "agents"), "waits for", rule.when.agents or ()),
            ):
                for position, name in enumerate(names):
                    if name not in self.catalog.agents:
                        problem = f"rule {rule.name!r} {verb} an unknown agent {name!r}"
                        yield self.catalog.finding(("rules", rule.name, *keys, position), problem, self.remedy(name))
            for position, name in enumerate(rule.without):
                if name in rule.select:
                    problem = f"rule {rule.name!r} selects agent {name!r} and leaves it out"
                    path = ("rules", rule.name, "without", position)
                    yield self.catalog.finding(path, problem, "name it under one of 'select' and 'without'")
            yield from self.products(rule)

    def products(self, rule: Rule) -> Iterator[Finding]:
        """Report outputs of a rule's products that no agent gives."""
        for name, product in (rule.deliverables or {}).items():
            for output in product.outputs:
                if output not in self.givers:
                    problem = f"product {name!r} of rule {rule.name!r} names an output {output!r} that no agent gives"
                    remedy = self.hint(output, self.givers) or "name an output that an agent declares"
                    yield self.catalog.finding(("rules", rule.name, "deliverables", name), problem, remedy)

    def remedy(self, name: AgentName, asker: AgentName | None = None) -> str:
        """Say what to do about an unknown agent: the nearest known one but ``asker``, while that is cheap."""
        hint = self.hint(name, (other for other in self.catalog.agents if other != asker))
        return f"declare it or remove it, {hint}" if hint else "declare it or remove it"

    def hint(self, name: str, known: Iterable[str]) -> str:
        """Name the nearest known name, while that is cheap; empty if there is none."""
        if not self.hints_left:
            return ""
        self.hints_left -= 1
        return nearest(name, known)


def _stand_ins(name: AgentName, agents: Mapping[AgentName, AgentSpec]) -> Iterator[AgentName]:
    """Follow the fallbacks of ``name``, each once, without ``name`` itself."""
    seen = {name}
    here = agents[name].fallback
    while here is not None and here in agents and here not in seen:
        seen.add(here)
        yield here
        here = agents[here].fallback


def _fallback_circles(agents: Mapping[AgentName, AgentSpec]) -> dict[AgentName, tuple[AgentName, ...]]:
    """Find the circles of two or more agents that fall back to each other, by their first agent in catalog order.

    The first name is repeated at the end. Each agent has at most one fallback, so each is walked over once.
    """
    circles: dict[AgentName, tuple[AgentName, ...]] = {}
    walk_of: dict[AgentName, AgentName] = {}
    for start in agents:
        trail: list[AgentName] = []
        here: AgentName | None = start
        while here is not None and here in agents and here not in walk_of:
            walk_of[here] = start
            trail.append(here)
            here = agents[here].fallback
        if here is not None and walk_of.get(here) == start and trail and trail[-1] != here:
            ring = trail[trail.index(here) :]
            circles[ring[0]] = (*ring, ring[0])
    return circles
