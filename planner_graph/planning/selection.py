"""Chooses the agents a campaign needs, and remembers why.

Two ways combine: the catalog's rules, matched against the campaign's type, content types and tasks; and backward
chaining (as in Russell and Norvig, chapter 9) from the products through declared inputs, outputs and hard dependencies,
stopping at what the campaign already provides.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.check import MAX_HINTS
from planner_graph.catalog.rule import ProductSpec, Rule
from planner_graph.documents import KeyPath
from planner_graph.errors import Finding, nearest
from planner_graph.planning import products
from planner_graph.planning.contents import CAMPAIGN, Product
from planner_graph.planning.demand import Demand
from planner_graph.types import AgentName


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The agents a campaign needs, in catalog order, each with its reasons; and those it does not need.

    ``products`` are what is asked for, ``producers`` maps every value that exists in this selection to the agent that
    gives it, or to ``"campaign"``. ``stand_ins`` maps each fallback to the agent it stands in for.
    """

    reasons: Mapping[AgentName, tuple[str, ...]]
    producers: Mapping[str, str]
    left_out: Mapping[AgentName, str] = field(default_factory=dict)
    stand_ins: Mapping[AgentName, AgentName] = field(default_factory=dict)
    products: tuple[Product, ...] = ()


def select(campaign: Campaign, catalog: Catalog) -> tuple[Selection, list[Finding]]:
    """Choose the agents for ``campaign`` and report everything that stands in the way."""
    hints = _Hints()
    findings = list(_unknown_words(campaign, catalog, hints))
    chooser = _Chooser(campaign, catalog, hints)
    chooser.follow_rules()
    chooser.follow_products()
    chooser.demand.settle()
    selection = chooser.selection()
    findings += chooser.findings
    findings += chooser.missing_inputs()
    findings += chooser.unfit_stand_ins()
    if not selection.reasons and not findings:
        findings.append(_nothing_to_do(campaign, is_asked=chooser.asks_for_something))
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


class _Chooser:
    """Asks for agents by rules and products, and turns into words and findings what follows from that."""

    def __init__(self, campaign: Campaign, catalog: Catalog, hints: _Hints) -> None:
        self.campaign = campaign
        self.catalog = catalog
        self.hints = hints
        self.producers = producers(catalog)
        self.rules = [(rule, why) for rule in catalog.rules.values() if (why := _occasion(rule, campaign)) is not None]
        self.without = {name: rule.name for rule, _ in reversed(self.rules) for name in rule.without}
        self.demand = Demand(catalog, self.producers, campaign.provided, self.without)
        self.wanted: dict[str, ProductSpec] = {}
        self.findings: list[Finding] = []

    @property
    def asks_for_something(self) -> bool:
        """Whether a rule or a deliverable calls for anything."""
        return bool(self.rules or self.campaign.deliverables)

    def follow_rules(self) -> None:
        for rule, occasion in self.rules:
            for name in rule.select:
                if name in self.catalog.agents:  # unknown ones are the catalog check's finding
                    self.demand.call(name, occasion)

    def follow_products(self) -> None:
        """Ask for the agents of all products: for those that rules select, else for that of the best output."""
        rules = [rule for rule, _ in self.rules]
        self.wanted = self._named() if self.campaign.deliverables else products.of_rules(rules, self.catalog)
        for name, product in self.wanted.items():
            worth_making = products.worth_making(product.outputs, self.campaign.provided)
            givers = {output: self.producers[output] for output in product.outputs if output in self.producers}
            called = {output: giver for output, giver in givers.items() if self.demand.is_called(giver)}
            for output, giver in called.items():
                if output in worth_making:
                    is_told = bool(self.campaign.deliverables) or output != name  # else the rule says it all
                    self.demand.ask(giver, self._reason(output, name) if is_told else "")
                else:
                    self.demand.cover(giver, product.outputs[len(worth_making)])
            if product.required and not called and worth_making and worth_making[0] in givers:
                self.demand.ask(givers[worth_making[0]], self._reason(worth_making[0], name))

    def _named(self) -> dict[str, ProductSpec]:
        """Give the products that the campaign names; report names that mean nothing."""
        declared = products.joined(self.catalog.rules.values()) | products.joined(rule for rule, _ in self.rules)
        found = {}
        for position, name in enumerate(self.campaign.deliverables):
            product = products.by_name(name, declared, self.producers, self.campaign.provided)
            if product is not None:
                found[name] = product
                continue
            problem = f"no agent produces the deliverable {name!r}"
            otherwise = "ask for an output that an agent of the catalog declares"
            remedy = self.hints.remedy(name, [*declared, *self.producers], otherwise)
            self.findings.append(self.campaign.finding(("deliverables", position), problem, remedy))
        return found

    def _reason(self, output: str, product: str) -> str:
        if output == product:
            return f"produces the deliverable {output!r}"
        return f"produces {output!r} for the deliverable {product!r}"

    def selection(self) -> Selection:
        inside = [name for name in self.catalog.agents if name in self.demand.running]
        gives: dict[str, str] = {o: name for o, name in self.producers.items() if name in self.demand.running}
        gives |= dict.fromkeys(self.campaign.provided, CAMPAIGN)
        stand_ins = {name: self.demand.stands_in_for(name) for name in inside}
        return Selection(
            reasons={name: self.demand.reasons(name) for name in inside},
            left_out={name: self._why_not(name) for name in self.catalog.agents if name not in self.demand.running},
            products=products.planned(self.wanted, gives),
            producers=gives,
            stand_ins={name: originals[0] for name, originals in stand_ins.items() if originals},
        )

    def _why_not(self, name: AgentName) -> str:
        if why := self.demand.why_not(name):
            return why
        if name in self.without:
            return f"rule {self.without[name]!r} leaves it out"
        return "no rule and no deliverable calls for it"

    def missing_inputs(self) -> Iterator[Finding]:
        """Report required inputs of agents that run, which nothing gives."""
        for name in self.catalog.agents:
            if name not in self.demand.running:
                continue
            for position, wanted in enumerate(self.catalog.agents[name].inputs):
                if wanted.required and wanted.name not in self.campaign.provided and wanted.name not in self.producers:
                    yield self._missing_input(name, position, wanted.name)

    def unfit_stand_ins(self) -> Iterator[Finding]:
        """Report fallbacks that cannot stand in for an agent, because something else is asked of them too."""
        for name in self.demand.running:
            originals = self.demand.stands_in_for(name)
            if not originals:
                continue
            first, *others = originals
            if others:
                problem = f"agent {name!r} is the fallback of {first!r} and of {others[0]!r} in the same plan"
            elif self.demand.is_needed_itself(name):
                reason = self.demand.reasons(name)[0]
                problem = f"agent {name!r} is the fallback of {first!r}, but is needed itself: {reason}"
            else:
                continue
            remedy = f"give {(others or [first])[0]!r} a fallback of its own"
            yield self.catalog.finding(("agents", (others or [first])[0], "fallback"), problem, remedy)

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


def _nothing_to_do(campaign: Campaign, *, is_asked: bool) -> Finding:
    if is_asked:
        remedy = "ask for something that is not under 'provided'"
        return campaign.finding((), "the campaign already provides all it asks for", remedy)
    remedy = "name a type, a task or a deliverable that the catalog knows"
    return campaign.finding((), "the campaign needs no agent at all", remedy)
