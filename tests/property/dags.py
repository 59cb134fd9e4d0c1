"""Random graphs, catalogs and campaigns, for tests of what must hold for all of them.

Names are spelled at random and given in an order that has nothing to do with the edges, so that neither sorting by name
nor the order of declaration can pass for a topological order.
"""

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.planner import MasterPlanner

Edges = dict[str, list[str]]
"""Predecessors by node; a dependency leads from a node to one that it comes after."""

bounded = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
"""Enough examples to meet the odd cases, and no limit of time: machines may be busy."""

_MIRRORED = str.maketrans(string.ascii_lowercase + string.digits, string.ascii_lowercase[::-1] + string.digits[::-1])

names = st.text("abyz09", min_size=1, max_size=2).map("n".__add__)
"""Short names that are often each other's prefixes."""


def mirrored(name: str) -> str:
    """Spell a name so that names which sorted first now sort last: ``writer`` gives ``dirgvi``."""
    return name.translate(_MIRRORED)


@st.composite
def dags(draw: st.DrawFn, max_size: int = 9) -> Edges:
    """Draw a DAG of up to ``max_size`` nodes."""
    nodes = draw(st.lists(names, max_size=max_size, unique=True))
    order = draw(st.permutations(nodes))
    before = {node: draw(_some(order[:position])) for position, node in enumerate(order)}
    return {node: before[node] for node in nodes}


@st.composite
def graphs(draw: st.DrawFn, max_size: int = 7) -> Edges:
    """Draw a directed graph that may well go in circles."""
    nodes = draw(st.lists(names, max_size=max_size, unique=True))
    return {node: draw(_some(nodes, most=2)) for node in nodes}


@st.composite
def timed_dags(draw: st.DrawFn, max_size: int = 9) -> tuple[Edges, dict[str, int]]:
    """Draw a DAG with a whole duration, often the same one, for each node."""
    edges = draw(dags(max_size))
    return edges, {node: draw(st.integers(0, 5)) for node in edges}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A catalog as plain data, so that it can be spelled anew, and what is wanted from it."""

    agents: tuple[Mapping[str, Any], ...]
    rules: tuple[Mapping[str, Any], ...]
    campaign: Mapping[str, Any]

    @property
    def catalog(self) -> Catalog:
        """The agents and rules as the planner takes them."""
        specs = [AgentSpec.model_validate(fields) for fields in self.agents]
        return Catalog.of(*specs, rules=[Rule.model_validate(fields) for fields in self.rules])

    def asked(self) -> Campaign:
        """Give the campaign as the planner takes it."""
        return Campaign.model_validate(self.campaign)

    def mirrored(self) -> "Wish":
        """Spell every agent and every value anew, and leave their order as it is."""
        return Wish(
            agents=tuple(_respelled(agent) for agent in self.agents),
            rules=tuple(_respelled_rule(rule) for rule in self.rules),
            campaign={
                **self.campaign,
                "deliverables": [mirrored(name) for name in self.campaign["deliverables"]],
                "provided": {mirrored(name): value for name, value in self.campaign["provided"].items()},
            },
        )


@st.composite
def wishes(draw: st.DrawFn, max_agents: int = 8) -> Wish:
    """Draw a catalog without contradictions and a campaign for it; some campaigns provide all they ask for."""
    edges = draw(dags(max_agents).filter(bool))
    agents = [_agent(draw, name, before, list(edges)) for name, before in edges.items()]
    outputs = [output for agent in agents for output in agent["outputs"]]
    rules = [draw(_rules(kind, list(edges), outputs)) for kind in (0, 1, 1)]
    rules[2]["name"] = "rule2"
    campaign = {
        "id": "campaign",
        "type": draw(st.sampled_from([None, "type0", "type1"])),
        "deliverables": draw(_some(outputs, least=0, most=3)),
        "provided": {name: draw(st.sampled_from([None, 0, "text", [1.5]])) for name in draw(_some(outputs, most=2))},
    }
    if campaign["type"] is None and not campaign["deliverables"]:
        campaign["deliverables"] = outputs[:1]
    return Wish(agents=tuple(agents), rules=tuple(rules), campaign=campaign)


@st.composite
def plannable_wishes(draw: st.DrawFn, max_agents: int = 8) -> Wish:
    """Draw a catalog and a campaign from which a plan follows."""
    wish = draw(wishes(max_agents))
    assume(not MasterPlanner(wish.catalog).findings(wish.asked()))
    return wish


def seeded_wish(seed: int, size: int = 40) -> Wish:
    """Make a catalog of ``size`` agents and a campaign that wants all of them, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311  # a test's data, no secret
    spelled = chance.sample([first + second for first in string.ascii_lowercase for second in "abcxyz"], size)
    order = chance.sample(spelled, size)
    rank = {name: position for position, name in enumerate(order)}
    agents = []
    for name in spelled:
        before = chance.sample(order[: rank[name]], min(rank[name], chance.randint(0, 4)))
        agents.append(
            {
                "name": name,
                "dependencies": {chance.choice(["hard", "soft", "optional"]): before[:2]},
                "inputs": [{"name": f"of-{other}", "required": False} for other in before],
                "outputs": [f"of-{name}", f"more-{name}"],
                "estimate_seconds": chance.choice([1.001, 60, 60, 90.5]),
                "resources": dict.fromkeys(chance.sample(["gpu", "cpu", "disk"], 2), 1),
                "configuration": {key: chance.random() for key in chance.sample(["tone", "words", "model"], 2)},
            }
        )
    wanted = [f"of-{name}" for name in chance.sample(spelled, size)]
    campaign = {"id": f"seed{seed}", "deliverables": wanted, "provided": {"unread": 1, "alone": {"b": 1, "a": 2}}}
    return Wish(agents=tuple(agents), rules=(), campaign=campaign)


@st.composite
def _rules(draw: st.DrawFn, kind: int, agents: list[str], outputs: list[str]) -> dict[str, Any]:
    """Draw a rule for campaigns of type ``kind``, with or without products."""
    select = draw(_some(agents, least=1))
    rule = {"name": f"rule{kind}", "when": {"campaign_type": f"type{kind}"}, "select": select}
    rule["without"] = draw(_some([agent for agent in agents if agent not in select], most=2))
    if draw(st.booleans()):
        required = st.sampled_from([{}, {"required": False}, {"main": True}])
        rule["deliverables"] = {
            name: {"outputs": draw(_some(outputs, least=1, most=3)), **draw(required)}
            for name in draw(_some(["product", *outputs[:2]], most=3))
        }
    return rule


def _respelled_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    respelled = {**rule, **{key: [mirrored(name) for name in rule[key]] for key in ("select", "without")}}
    if "deliverables" in rule:
        respelled["deliverables"] = {
            mirrored(name): {**product, "outputs": [mirrored(output) for output in product["outputs"]]}
            for name, product in rule["deliverables"].items()
        }
    return respelled


def _some(items: Sequence[str], *, least: int = 0, most: int = 4) -> st.SearchStrategy[list[str]]:
    """Draw a few different items, in any order."""
    if not items:
        return st.just([])
    return st.lists(st.sampled_from(items), min_size=least, max_size=most, unique=True)


def _agent(draw: st.DrawFn, name: str, before: Sequence[str], everyone: Sequence[str]) -> dict[str, Any]:
    """Draw an agent that depends on those ``before`` it: as declared, through inputs, or both."""
    kinds = {other: draw(st.sampled_from(["none", "hard", "soft", "optional"])) for other in before}
    dependencies = [{"agent": other, "kind": kind} for other, kind in kinds.items() if kind != "none"]
    loose = [other for other in everyone if other != name and other not in kinds]
    dependencies += [{"agent": other, "kind": "optional"} for other in draw(_some(loose, most=1))]
    inputs = [
        {"name": f"of{other}", "required": draw(st.booleans()) and kind in {"none", "hard"}}
        for other, kind in kinds.items()
        if draw(st.booleans())
    ]
    return {
        "name": name,
        "dependencies": dependencies,
        "inputs": inputs,
        "outputs": [f"of{name}", *(f"more{name}" for _ in range(draw(st.integers(0, 1))))],
        "estimate_seconds": draw(st.sampled_from([1.001, 1.003, 60, 60, 90.5, 3600])),
    }


def _respelled(agent: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **agent,
        "name": mirrored(agent["name"]),
        "dependencies": [{**edge, "agent": mirrored(edge["agent"])} for edge in agent["dependencies"]],
        "inputs": [{**item, "name": mirrored(item["name"])} for item in agent["inputs"]],
        "outputs": [mirrored(output) for output in agent["outputs"]],
    }
