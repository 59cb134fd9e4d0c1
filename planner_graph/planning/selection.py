"""Chooses the agents a campaign needs, and remembers why.

Two ways combine: the catalog's rules, matched against the campaign's type, content types and tasks; and backward
chaining (as in Russell and Norvig, chapter 9) from the deliverables through declared inputs and outputs to the agents
that produce them, stopping at what the campaign already provides.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.check import MAX_HINTS
from planner_graph.catalog.rule import Rule
from planner_graph.documents import KeyPath
from planner_graph.errors import Finding, nearest
from planner_graph.types import AgentName

CAMPAIGN = "campaign"
"""Stands where a producer is named, for values that the campaign provides."""

MOST_NAMED = 3
"""Agents that a reason names one by one before it counts the others."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The agents a campaign needs, in catalog order, each with its reasons; and those it does not need.

    ``deliverables`` maps each wanted output to the agent that gives it, or to ``"campaign"``; ``producers`` does the
    same for every value that exists in this selection. ``stand_ins`` maps each fallback to the agent it stands in for.
    """

    reasons: Mapping[AgentName, tuple[str, ...]]
    producers: Mapping[str, str]
    left_out: Mapping[AgentName, str] = field(default_factory=dict)
    stand_ins: Mapping[AgentName, AgentName] = field(default_factory=dict)
    deliverables: Mapping[str, str] = field(default_factory=dict)


def select(campaign: Campaign, catalog: Catalog) -> tuple[Selection, list[Finding]]:
    """Choose the agents for ``campaign`` and report everything that stands in the way."""
    hints = _Hints()
    findings = list(_unknown_words(campaign, catalog, hints))
    chooser = _Chooser(campaign, catalog, hints)
    chooser.follow_rules()
    chooser.follow_deliverables()
    chooser.follow_inputs()
    selection = chooser.selection()
    findings += chooser.findings
    findings += chooser.unfit_stand_ins()
    if not selection.reasons and not findings:
        findings.append(_nothing_to_do(campaign, chooser.not_needed))
    return selection, findings


def producers(catalog: Catalog) -> dict[str, AgentName]:
    """Map each output to the agent that gives it; a fallback's outputs belong to the agent it stands in for."""
    stand_ins = {spec.fallback for spec in catalog.agents.values() if spec.fallback}
    found: dict[str, AgentName] = {}
    for spec in catalog.agents.values():
        for output in spec.outputs:
            if output not in found or (found[output] in stand_ins and spec.name not in stand_ins):
                found[output] = spec.name
    return found


class _Hints:
    """Says which known name an unknown one resembles, as often as that is cheap: each costs a walk over all names."""

    def __init__(self) -> None:
        self.left = MAX_HINTS

    def remedy(self, name: str, known: Iterable[str], otherwise: str) -> str:
        self.left -= 1
        return (nearest(name, known) if self.left >= 0 else "") or otherwise


@dataclass(kw_only=True)
class _Why:
    """What calls for an agent: occasions in words, and for each output the agents that need it."""

    occasions: dict[str, None] = field(default_factory=dict)
    needs: dict[str, list[AgentName]] = field(default_factory=dict)
    stands_in_for: list[AgentName] = field(default_factory=list)

    def reasons(self) -> tuple[str, ...]:
        needs = (_need(output, agents) for output, agents in self.needs.items())
        return (*self.occasions, *needs, *(f"stands in for {name!r} if that fails" for name in self.stands_in_for))


class _Chooser:
    """Collects agents and reasons in one pass over rules, deliverables and inputs."""

    def __init__(self, campaign: Campaign, catalog: Catalog, hints: _Hints) -> None:
        self.campaign = campaign
        self.catalog = catalog
        self.hints = hints
        self.producers = producers(catalog)
        self.chosen: dict[AgentName, _Why] = {}
        self.not_needed: dict[AgentName, str] = {}
        self.findings: list[Finding] = []

    def follow_rules(self) -> None:
        for rule in self.catalog.rules.values():
            occasion = _occasion(rule, self.campaign)
            if occasion is None:
                continue
            for name in rule.select:
                if name in self.catalog.agents:  # unknown ones are the catalog check's finding
                    self._call_for(name, occasion)

    def follow_deliverables(self) -> None:
        for position, name in enumerate(self.campaign.deliverables):
            if name in self.campaign.provided:
                continue
            if name in self.producers:
                self._call_for(self.producers[name], f"produces the deliverable {name!r}")
            else:
                problem = f"no agent produces the deliverable {name!r}"
                otherwise = "ask for an output that an agent of the catalog declares"
                remedy = self.hints.remedy(name, self.producers, otherwise)
                self.findings.append(self.campaign.finding(("deliverables", position), problem, remedy))

    def follow_inputs(self) -> None:
        pending = deque(self.chosen)
        while pending:
            name = pending.popleft()
            fallback = self.catalog.agents[name].fallback
            if fallback in self.catalog.agents and fallback != name:
                if fallback not in self.chosen:
                    self.chosen[fallback] = _Why()
                    pending.append(fallback)
                self.chosen[fallback].stands_in_for.append(name)
            for position, wanted in enumerate(self.catalog.agents[name].inputs):
                if not wanted.required or wanted.name in self.campaign.provided:
                    continue
                producer = self.producers.get(wanted.name)
                if producer is None:
                    self.findings.append(self._missing_input(name, position, wanted.name))
                    continue
                if producer not in self.chosen:
                    self.chosen[producer] = _Why()
                    pending.append(producer)
                self.chosen[producer].needs.setdefault(wanted.name, []).append(name)

    def selection(self) -> Selection:
        inside = {name: self.chosen[name] for name in self.catalog.agents if name in self.chosen}
        gives: dict[str, str] = {output: name for output, name in self.producers.items() if name in inside}
        gives |= dict.fromkeys(self.campaign.provided, CAMPAIGN)
        return Selection(
            reasons={name: why.reasons() for name, why in inside.items()},
            left_out={
                name: self.not_needed.get(name, "no rule and no deliverable calls for it")
                for name in self.catalog.agents
                if name not in inside
            },
            deliverables={name: gives[name] for name in self.campaign.deliverables if name in gives},
            producers=gives,
            stand_ins={name: why.stands_in_for[0] for name, why in inside.items() if why.stands_in_for},
        )

    def unfit_stand_ins(self) -> Iterator[Finding]:
        """Report fallbacks that cannot stand in for an agent, because something else is asked of them too."""
        for name, why in self.chosen.items():
            if not why.stands_in_for:
                continue
            first, *others = why.stands_in_for
            if others:
                problem = f"agent {name!r} is the fallback of {first!r} and of {others[0]!r} in the same plan"
            elif why.occasions or why.needs:
                problem = f"agent {name!r} is the fallback of {first!r}, but is needed itself: {why.reasons()[0]}"
            else:
                continue
            remedy = f"give {(others or [first])[0]!r} a fallback of its own"
            yield self.catalog.finding(("agents", (others or [first])[0], "fallback"), problem, remedy)

    def _call_for(self, name: AgentName, occasion: str) -> None:
        outputs = self.catalog.agents[name].outputs
        if all(output in self.campaign.provided for output in outputs):
            self.not_needed[name] = f"the campaign already provides {', '.join(map(repr, outputs))}"
        else:
            self.chosen.setdefault(name, _Why()).occasions[occasion] = None

    def _missing_input(self, agent: AgentName, position: int, name: str) -> Finding:
        problem = f"agent {agent!r} needs the input {name!r}, which neither an agent nor the campaign gives"
        otherwise = f"add {name!r} under 'provided' in the campaign, or make the input not required"
        remedy = self.hints.remedy(name, self.producers, otherwise)
        return self.catalog.finding(("agents", agent, "inputs", position), problem, remedy)


def _occasion(rule: Rule, campaign: Campaign) -> str | None:
    """Say in words why ``rule`` applies to ``campaign``; ``None`` if it does not."""
    when = rule.when
    task_types = [task.type for task in campaign.tasks]
    words = []
    for label, wanted, matches in (
        ("campaign type", when.campaign_type, when.campaign_type == campaign.type),
        ("content type", when.content_type, when.content_type in campaign.content_types),
        ("a task of type", when.task_type, when.task_type in task_types),
    ):
        if wanted is None:
            continue
        if not matches:
            return None
        words.append(f"{label} {wanted!r}")
    if when.include_images is not None:
        if when.include_images is not campaign.include_images:
            return None
        words.append("images are wanted" if when.include_images else "no images are wanted")
    return f"{' and '.join(words) or 'every campaign'} (rule {rule.name!r})"


def _need(output: str, agents: list[AgentName]) -> str:
    """Say who needs an output; beyond :data:`MOST_NAMED` agents, how many more."""
    named, others = [repr(name) for name in agents[:MOST_NAMED]], len(agents) - MOST_NAMED
    if others > 0:
        named.append(f"{others} more")
    who = f"{', '.join(named[:-1])} and {named[-1]}" if len(named) > 1 else named[0]
    return f"produces {output!r}, which {who} need{'s' if len(agents) == 1 else ''}"


def _unknown_words(campaign: Campaign, catalog: Catalog, hints: _Hints) -> Iterator[Finding]:
    """Report an empty campaign, and types and agents that the catalog does not know."""
    asks_for = (campaign.type, campaign.content_types, campaign.tasks, campaign.deliverables, campaign.include_images)
    if not any(asks_for):
        remedy = "add a 'type', 'tasks' or 'deliverables'"
        yield campaign.finding((), "the campaign asks for nothing", remedy)
    for kind, path, word in _words(campaign):
        known = _known_words(catalog, kind)
        if word not in known:
            problem = f"unknown {kind.replace('_', ' ')} {word!r}"
            remedy = hints.remedy(word, known, f"the catalog knows: {', '.join(known) or 'none'}")
            yield campaign.finding(path, problem, remedy)
    for name in campaign.configuration:
        if name not in catalog.agents:
            problem = f"configuration for an unknown agent {name!r}"
            remedy = hints.remedy(name, catalog.agents, "remove it")
            yield campaign.finding(("configuration", name), problem, remedy)


def _words(campaign: Campaign) -> Iterator[tuple[str, KeyPath, str]]:
    """Give the words of a campaign that rules compare with: which condition, where it stands, the word."""
    if campaign.type:
        yield "campaign_type", ("type",), campaign.type
    for position, word in enumerate(campaign.content_types):
        yield "content_type", ("content_types", position), word
    for position, task in enumerate(campaign.tasks):
        yield "task_type", ("tasks", position, "type"), task.type


def _known_words(catalog: Catalog, kind: str) -> list[str]:
    """List the words that the conditions of rules compare with, in catalog order."""
    words = (getattr(rule.when, kind) for rule in catalog.rules.values())
    return list(dict.fromkeys(word for word in words if word is not None))


def _nothing_to_do(campaign: Campaign, not_needed: Mapping[AgentName, str]) -> Finding:
    if not_needed or campaign.deliverables:
        remedy = "ask for something that is not under 'provided'"
        return campaign.finding((), "the campaign already provides all it asks for", remedy)
    remedy = "name a type, a task or a deliverable that the catalog knows"
    return campaign.finding((), "the campaign needs no agent at all", remedy)
