"""Chooses the agents a campaign needs, and remembers why.

Two ways combine: the catalog's rules, matched against the campaign's type, content types and tasks; and backward
chaining (as in Russell and Norvig, chapter 9) from the deliverables through declared inputs and outputs to the agents
that produce them, stopping at what the campaign already provides.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog, Condition, Rule
from planner_graph.errors import Finding, nearest
from planner_graph.types import AgentName

CAMPAIGN = "campaign"
"""Stands where a producer is named, for values that the campaign provides."""


@dataclass(kw_only=True)
class Selection:
    """The agents a campaign needs, in catalog order, each with its reasons; and those it does not need.

    ``deliverables`` maps each wanted output to the agent that gives it, or to ``"campaign"``.
    """

    reasons: dict[AgentName, tuple[str, ...]] = field(default_factory=dict)
    left_out: dict[AgentName, str] = field(default_factory=dict)
    deliverables: dict[str, str] = field(default_factory=dict)
    producers: dict[str, str] = field(default_factory=dict)


def select(campaign: Campaign, catalog: Catalog) -> tuple[Selection, list[Finding]]:
    """Choose the agents for ``campaign`` and report everything that stands in the way."""
    chooser = _Chooser(campaign, catalog)
    chooser.follow_rules()
    chooser.follow_deliverables()
    chooser.follow_inputs()
    return chooser.selection(), chooser.findings


def producers(catalog: Catalog) -> dict[str, AgentName]:
    """Map each output to the agent that gives it; a fallback's outputs belong to the agent it stands in for."""
    stand_ins = {spec.fallback for spec in catalog.agents.values() if spec.fallback}
    found: dict[str, AgentName] = {}
    for spec in catalog.agents.values():
        for output in spec.outputs:
            if output not in found or (found[output] in stand_ins and spec.name not in stand_ins):
                found[output] = spec.name
    return found


class _Chooser:
    """Collects agents and reasons in one pass over rules, deliverables and inputs."""

    def __init__(self, campaign: Campaign, catalog: Catalog) -> None:
        self.campaign = campaign
        self.catalog = catalog
        self.producers = producers(catalog)
        self.reasons: dict[AgentName, list[str]] = {}
        self.not_needed: dict[AgentName, str] = {}
        self.findings = [*_unknown_words(campaign, catalog)]

    def choose(self, name: AgentName, reason: str) -> None:
        spec = self.catalog.agents[name]
        if all(output in self.campaign.provided for output in spec.outputs):
            self.not_needed[name] = f"the campaign already provides {_listed(spec.outputs)}"
        elif reason not in self.reasons.setdefault(name, []):
            self.reasons[name].append(reason)

    def follow_rules(self) -> None:
        for rule in self.catalog.rules.values():
            occasion = _occasion(rule, self.campaign)
            if occasion is None:
                continue
            for name in rule.select:
                if name in self.catalog.agents:  # unknown ones are the catalog check's finding
                    self.choose(name, occasion)

    def follow_deliverables(self) -> None:
        for position, name in enumerate(self.campaign.deliverables):
            if name in self.campaign.provided:
                continue
            if name in self.producers:
                self.choose(self.producers[name], f"produces the deliverable {name!r}")
            else:
                hint = nearest(name, self.producers).removeprefix(", ")
                self.findings.append(
                    Finding(
                        problem=f"no agent produces the deliverable {name!r}",
                        remedy=hint or "declare it as an output of an agent, or list what the catalog gives",
                        file=self.campaign.file,
                        key=f"deliverables[{position}]",
                    )
                )

    def follow_inputs(self) -> None:
        pending = list(self.reasons)
        seen = set(pending)
        while pending:
            name = pending.pop(0)
            for position, wanted in enumerate(self.catalog.agents[name].inputs):
                if not wanted.required or wanted.name in self.campaign.provided:
                    continue
                if wanted.name not in self.producers:
                    self.findings.append(self._missing_input(name, position, wanted.name))
                    continue
                producer = self.producers[wanted.name]
                self.choose(producer, f"produces {wanted.name!r}, which {name!r} needs")
                if producer not in seen:
                    seen.add(producer)
                    pending.append(producer)

    def _missing_input(self, agent: AgentName, position: int, name: str) -> Finding:
        hint = nearest(name, self.producers).removeprefix(", ")
        return Finding(
            problem=f"agent {agent!r} needs the input {name!r}, which no agent produces and the campaign does not provide",
            remedy=hint or f"add {name!r} under 'provided' in the campaign, or make the input not required",
            file=self.catalog.file_of(f"agents.{agent}"),
            key=f"agents.{agent}.inputs[{position}]",
        )

    def selection(self) -> Selection:
        chosen = [name for name in self.catalog.agents if name in self.reasons]
        if not chosen and not self.findings:
            self.findings.append(
                Finding(
                    problem="the campaign needs no agent at all",
                    remedy="name a type, a task or a deliverable that the catalog knows",
                    file=self.campaign.file,
                )
            )
        inside = set(chosen)
        gives = {output: name for output, name in self.producers.items() if name in inside}
        gives |= dict.fromkeys(self.campaign.provided, CAMPAIGN)
        return Selection(
            reasons={name: tuple(self.reasons[name]) for name in chosen},
            left_out={
                name: self.not_needed.get(name, "no rule and no deliverable calls for it")
                for name in self.catalog.agents
                if name not in inside
            },
            deliverables={name: gives[name] for name in self.campaign.deliverables if name in gives},
            producers=gives,
        )


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


def _unknown_words(campaign: Campaign, catalog: Catalog) -> Iterator[Finding]:
    """Report an empty campaign, and types and agents that the catalog does not know."""
    if not (campaign.type or campaign.content_types or campaign.tasks or campaign.deliverables):
        remedy = "add a 'type', 'tasks' or 'deliverables'"
        yield Finding(problem="the campaign asks for nothing", remedy=remedy, file=campaign.file)
    conditions = [rule.when for rule in catalog.rules.values()]
    used: list[tuple[str, str, str]] = []
    if campaign.type:
        used.append(("campaign_type", "type", campaign.type))
    used += [("content_type", f"content_types[{n}]", word) for n, word in enumerate(campaign.content_types)]
    used += [("task_type", f"tasks[{n}].type", task.type) for n, task in enumerate(campaign.tasks)]
    for kind, key, word in used:
        known = _known(conditions, kind)
        if word not in known:
            problem = f"unknown {kind.replace('_', ' ')} {word!r}"
            remedy = nearest(word, known).removeprefix(", ") or f"the catalog knows: {', '.join(known) or 'none'}"
            yield Finding(problem=problem, remedy=remedy, file=campaign.file, key=key)
    for name in campaign.configuration:
        if name not in catalog.agents:
            problem = f"configuration for an unknown agent {name!r}"
            remedy = nearest(name, catalog.agents).removeprefix(", ") or "remove it"
            yield Finding(problem=problem, remedy=remedy, file=campaign.file, key=f"configuration.{name}")


def _known(conditions: Iterable[Condition], kind: str) -> list[str]:
    return list(dict.fromkeys(word for condition in conditions if (word := getattr(condition, kind)) is not None))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
