"""Chooses the agents a campaign needs, and remembers why.

Two ways combine: the catalog's rules, matched against the campaign's type, content types and tasks; and backward
chaining (as in Russell and Norvig, chapter 9) from the products through declared inputs, outputs and hard dependencies,
stopping at what the campaign already provides.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import ProductSpec
from planner_graph.errors import Finding
from planner_graph.planning import alternatives, products, vocabulary
from planner_graph.planning.contents import CAMPAIGN, Product
from planner_graph.planning.demand import Demand
from planner_graph.planning.vocabulary import Hints, occasion
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
    hints = Hints()
    findings = list(_unknown_words(campaign, catalog, hints))
    chooser = _choose(campaign, catalog, hints)
    selection = chooser.selection()
    findings += chooser.findings
    findings += chooser.missing_inputs()
    findings += chooser.unfit_stand_ins()
    if not selection.reasons and not findings:
        findings.append(_nothing_to_do(campaign, is_asked=chooser.asks_for_something))
    return selection, findings


def _choose(campaign: Campaign, catalog: Catalog, hints: Hints) -> "_Chooser":
    """Choose until nothing follows from what is chosen: no rule about agents of the plan, no alternative to be made."""
    inside: dict[AgentName, None] = {}
    while True:
        chooser = _Chooser(campaign, catalog, hints, inside)
        chooser.follow_rules()
        chooser.follow_products()
        chooser.demand.settle()
        running = [name for name in catalog.agents if name in chooser.demand.running]
        unmet = dict(alternatives.unmet(catalog, running, chooser.gives()))
        grown = inside | dict.fromkeys(running)
        if not unmet and not chooser.rules_to_come(grown):
            return chooser
        inside = grown
        catalog = alternatives.requiring(catalog, unmet, chooser.producers)


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
    """Asks for agents by rules and products, and turns into words and findings what follows from that."""

    def __init__(self, campaign: Campaign, catalog: Catalog, hints: Hints, inside: Collection[AgentName] = ()) -> None:
        self.campaign = campaign
        self.catalog = catalog
        self.hints = hints
        self.producers = producers(catalog)
        occasions = ((rule, occasion(rule, campaign, inside)) for rule in catalog.rules.values())
        self.rules = [(rule, why) for rule, why in occasions if why is not None]
        self.without = {name: rule.name for rule, _ in reversed(self.rules) for name in rule.without}
        self.demand = Demand(catalog, self.producers, campaign.provided, self.without)
        self.wanted: dict[str, ProductSpec] = {}
        self.findings: list[Finding] = []

    @property
    def asks_for_something(self) -> bool:
        """Whether a rule or a deliverable calls for anything."""
        return bool(self.rules or self.campaign.deliverables)

    def rules_to_come(self, inside: Collection[AgentName]) -> bool:
        """Whether a rule applies with these agents in the plan that did not before."""
        known = {rule.name for rule, _ in self.rules}
        rules = (rule for rule in self.catalog.rules.values() if rule.when.agents and rule.name not in known)
        return any(occasion(rule, self.campaign, inside) is not None for rule in rules)

    def follow_rules(self) -> None:
        for rule, why in self.rules:
            for name in rule.select:
                if name in self.catalog.agents:  # unknown ones are the catalog check's finding
                    self.demand.call(name, why)

    def follow_products(self) -> None:
        """Ask for the agents of all products: for those that rules select, else for that of the best output."""
        rules = [rule for rule, _ in self.rules]
        self.wanted = self._named() if self.campaign.deliverables else products.of_rules(rules, self.catalog)
        for name, product in self.wanted.items():
            self._follow_product(name, product)

    def _follow_product(self, name: str, product: ProductSpec) -> None:
        worth_making = products.worth_making(product.outputs, self.campaign.provided)
        givers = {output: self.producers[output] for output in product.outputs if output in self.producers}
        called = {output: giver for output, giver in givers.items() if self.demand.is_called(giver)}
        for output, giver in called.items():
            if output in worth_making:
                has_reason = bool(self.campaign.deliverables) or output != name  # else the rule says it all
                self.demand.ask(giver, self._reason(output, name) if has_reason else "")
            else:
                self.demand.cover(giver, product.outputs[len(worth_making)])
        if product.required and not called and worth_making and worth_making[0] in givers:
            self.demand.ask(givers[worth_making[0]], self._reason(worth_making[0], name))

    def _named(self) -> dict[str, ProductSpec]:
        """Give the products that the campaign names; report names that mean nothing."""
        of_others = products.joined(self.catalog.rules.values())
        # an output comes before a product of other campaigns: own agents need not know all products of a catalog below
        free = {name: it for name, it in of_others.items() if name in it.outputs or name not in self.producers}
        declared = free | products.joined(rule for rule, _ in self.rules)
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

    def gives(self) -> dict[str, str]:
        """Say where each value comes from that exists once the agents chosen have run."""
        gives: dict[str, str] = {o: name for o, name in self.producers.items() if name in self.demand.running}
        return gives | dict.fromkeys(self.campaign.provided, CAMPAIGN)

    def selection(self) -> Selection:
        inside = [name for name in self.catalog.agents if name in self.demand.running]
        gives = self.gives()
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


def _unknown_words(campaign: Campaign, catalog: Catalog, hints: Hints) -> Iterator[Finding]:
    """Report an empty campaign, and types and agents that the catalog does not know."""
    asks_for = (campaign.type, campaign.content_types, campaign.tasks, campaign.deliverables, campaign.include_images)
    if not any(asks_for):
        remedy = "add a 'type', 'tasks' or 'deliverables'"
        yield campaign.finding((), "the campaign asks for nothing", remedy)
    yield from vocabulary.unknown_words(campaign, catalog, hints)
    for name in campaign.configuration:
        if name not in catalog.agents:
            problem = f"configuration for an unknown agent {name!r}"
            remedy = hints.remedy(name, catalog.agents, "remove it")
            yield campaign.finding(("configuration", name), problem, remedy)


def _nothing_to_do(campaign: Campaign, *, is_asked: bool) -> Finding:
    if is_asked:
        remedy = "ask for something that is not under 'provided'"
        return campaign.finding((), "the campaign already provides all it asks for", remedy)
    remedy = "name a type, a task or a deliverable that the catalog knows"
    return campaign.finding((), "the campaign needs no agent at all", remedy)
