"""Works out which agents run: those that something which runs needs, and those called for that serve something.

Two passes over the catalog's declarations. The first follows required inputs and hard dependencies from the agents that
are called for, as if the campaign provided nothing, and so finds what might run, and for which agents. The second
decides in the opposite direction, consumers before producers, what is left of that when the campaign's values count.
"""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from planner_graph.catalog.catalog import Catalog
from planner_graph.planning.dag import components
from planner_graph.types import AgentName, DependencyKind

MAX_NAMED = 3
"""Agents that a reason names one by one before it counts the others."""


@dataclass(slots=True)
class _Tie:
    """What an agent has to do with another: inputs it reads of that, what it declares, whether the other stands in.

    ``spare`` are alternatives to an input that the campaign provides.
    """

    required: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)
    declared: DependencyKind | None = None
    stands_in: bool = False


@dataclass(slots=True)
class _Case:
    """What speaks for running an agent, and against it.

    ``calls`` are rules and ``asked`` products, in words, if those are worth a word. ``needs`` are the agents that
    require an output, by that, and ``dependants`` those that only depend on it. ``covered`` are values of the campaign
    in place of what it would give. ``serves``: something that runs would use it, although it need not.
    """

    calls: dict[str, None] = field(default_factory=dict)
    is_asked: bool = False
    asked: dict[str, None] = field(default_factory=dict)
    needs: dict[str, list[AgentName]] = field(default_factory=dict)
    dependants: list[AgentName] = field(default_factory=list)
    stands_in_for: list[AgentName] = field(default_factory=list)
    covered: dict[str, None] = field(default_factory=dict)
    serves: bool = False

    @property
    def needed(self) -> bool:
        return bool(self.is_asked or self.needs or self.dependants or self.stands_in_for)


class Demand:
    """Collects what is called for, then decides which agents run.

    ``producers`` says which agent gives a value, ``without`` which agents are not selected for a hard dependency.
    """

    def __init__(
        self,
        catalog: Catalog,
        producers: Mapping[str, AgentName],
        provided: Collection[str],
        without: Collection[AgentName],
    ) -> None:
        self._catalog = catalog
        self._producers = producers
        self._provided = provided
        self._without = without
        self._rank = {name: position for position, name in enumerate(catalog.agents)}
        self._cases: dict[AgentName, _Case] = {}
        self._ties: dict[AgentName, dict[AgentName, _Tie]] = {}
        self._consumers: dict[AgentName, list[AgentName]] = {}
        self.running: dict[AgentName, None] = {}

    def call(self, agent: AgentName, occasion: str) -> None:
        """Note that a rule selects ``agent``."""
        self._case(agent).calls[occasion] = None

    def ask(self, agent: AgentName, reason: str = "") -> None:
        """Note that a product needs an output of ``agent`` which the campaign does not provide."""
        case = self._case(agent)
        case.is_asked = True
        if reason:
            case.asked[reason] = None

    def cover(self, agent: AgentName, output: str) -> None:
        """Note that no product needs ``agent``, as the campaign provides ``output``."""
        self._case(agent).covered[output] = None

    def is_called(self, agent: AgentName) -> bool:
        """Tell whether a rule selects ``agent``."""
        return agent in self._cases and bool(self._cases[agent].calls)

    def settle(self) -> None:
        """Decide which agents run, once everything is noted."""
        self._reach()
        for agent, ties in self._ties.items():
            for other in ties:
                if other in self._consumers:
                    self._consumers[other].append(agent)
        for component in components(self._consumers):
            self._decide(component)

    def reasons(self, agent: AgentName) -> tuple[str, ...]:
        """Say why a running agent is needed: rules, products, what others need of it, which depend on it."""
        case = self._cases[agent]
        needs = ((name, case.needs[name]) for name in self._catalog.agents[agent].outputs if name in case.needs)
        return (
            *case.calls,
            *case.asked,
            *(f"produces {name!r}, which {self._named(others)} {_verb('need', others)}" for name, others in needs),
            *([f"{self._named(case.dependants)} {_verb('depend', case.dependants)} on it"] if case.dependants else []),
            *(f"stands in for {name!r} if that fails" for name in self._sorted(case.stands_in_for)),
        )

    def stands_in_for(self, agent: AgentName) -> list[AgentName]:
        """List the running agents whose fallback ``agent`` is."""
        return self._sorted(self._cases[agent].stands_in_for)

    def is_needed_itself(self, agent: AgentName) -> bool:
        """Tell whether anything calls for ``agent`` beside those whose fallback it is."""
        case = self._cases[agent]
        return bool(case.calls or case.is_asked or case.needs or case.dependants)

    def why_not(self, agent: AgentName) -> str | None:
        """Say why an agent does not run that might have been needed; ``None`` if nothing ever led to it."""
        if agent not in self._ties:
            return None
        case = self._cases[agent]
        if self._is_provided(agent):
            return f"the campaign already provides {', '.join(map(repr, self._catalog.agents[agent].outputs))}"
        if case.covered:
            return f"the campaign provides {', '.join(map(repr, case.covered))}, and nothing else of it is needed"
        idle = [consumer for consumer in self._consumers[agent] if consumer not in self.running]
        if not idle:
            return "the campaign provides all that would be used of it"
        return f"it would only serve {self._named(idle)}, which {'does' if len(idle) == 1 else 'do'} not run"

    def _reach(self) -> None:
        """Follow inputs and dependencies to everything that would be needed if the campaign provided nothing."""
        pending = deque(agent for agent, case in self._cases.items() if case.calls or case.is_asked)
        self._consumers = {agent: [] for agent in pending}
        while pending:
            agent = pending.popleft()
            self._ties[agent] = ties = self._ties_of(agent)
            for other, tie in ties.items():
                if other not in self._consumers and self._is_binding(other, tie):
                    self._consumers[other] = []
                    self._case(other)
                    pending.append(other)

    def _ties_of(self, agent: AgentName) -> dict[AgentName, _Tie]:
        spec = self._catalog.agents[agent]
        ties: dict[AgentName, _Tie] = {}
        if spec.fallback in self._catalog.agents and spec.fallback != agent:
            ties.setdefault(spec.fallback, _Tie()).stands_in = True
        has_one = any(item.one_of and item.name in self._provided for item in spec.inputs)
        for item in spec.inputs:
            producer = self._producers.get(item.name)
            if producer is not None:
                tie = ties.setdefault(producer, _Tie())
                optional = tie.spare if item.one_of and has_one else tie.optional
                (tie.required if item.required else optional).append(item.name)
        for dependency in spec.dependencies:
            if dependency.agent in self._catalog.agents and dependency.agent != agent:
                ties.setdefault(dependency.agent, _Tie()).declared = dependency.kind
        return ties

    def _is_binding(self, other: AgentName, tie: _Tie) -> bool:
        """Tell whether an agent with this tie to ``other`` cannot run without it."""
        is_hard = tie.declared is DependencyKind.HARD and other not in self._without
        return bool(tie.required or tie.stands_in or is_hard)

    def _decide(self, component: list[AgentName]) -> None:
        """Decide about agents that are each other's consumers, mostly about one; all other consumers are decided."""
        members = set(component)
        own = not any(consumer not in members for agent in component for consumer in self._consumers[agent])
        pending = deque(component)
        while pending:
            agent = pending.popleft()
            if agent not in self.running and self._runs(agent, own=own):
                self.running[agent] = None
                for other, tie in self._ties[agent].items():
                    self._bear(agent, other, tie)
                    if other in members:
                        pending.append(other)

    def _runs(self, agent: AgentName, *, own: bool) -> bool:
        """Tell whether an agent runs: it is needed, or called for and of use to one that runs, or to none at all."""
        case = self._cases[agent]
        if case.needed or not case.calls or case.covered:
            return case.needed
        return (own or case.serves) and not self._is_provided(agent)

    def _bear(self, agent: AgentName, other: AgentName, tie: _Tie) -> None:
        """Note what it means for ``other`` that ``agent`` runs, which has this tie to it."""
        if other not in self._ties:
            return
        case = self._cases[other]
        if tie.stands_in:
            case.stands_in_for.append(agent)
        if tie.required:
            lacking = self._lacking(tie.required)
            for name in lacking:
                case.needs.setdefault(name, []).append(agent)
            if not lacking:
                case.covered.update(dict.fromkeys(tie.required))
        elif self._is_provided(other):
            return
        elif self._is_binding(other, tie) and not tie.stands_in:
            case.dependants.append(agent)
        elif tie.optional:
            case.serves |= bool(self._lacking(tie.optional))
        elif tie.declared and not tie.spare:
            case.serves = True

    def _lacking(self, names: Collection[str]) -> list[str]:
        """Give the values among ``names`` that the campaign does not provide."""
        return [name for name in names if name not in self._provided]

    def _is_provided(self, agent: AgentName) -> bool:
        """Tell whether the campaign provides all that an agent gives."""
        return all(output in self._provided for output in self._catalog.agents[agent].outputs)

    def _case(self, agent: AgentName) -> _Case:
        return self._cases.setdefault(agent, _Case())

    def _sorted(self, agents: Collection[AgentName]) -> list[AgentName]:
        return sorted(agents, key=self._rank.__getitem__)

    def _named(self, agents: Collection[AgentName]) -> str:
        """List agents; beyond :data:`MAX_NAMED`, how many more."""
        named = [repr(name) for name in self._sorted(agents)[:MAX_NAMED]]
        if len(agents) > MAX_NAMED:
            named.append(f"{len(agents) - MAX_NAMED} more")
        return f"{', '.join(named[:-1])} and {named[-1]}" if len(named) > 1 else named[0]


def _verb(word: str, subjects: Collection[AgentName]) -> str:
    return f"{word}s" if len(subjects) == 1 else word
