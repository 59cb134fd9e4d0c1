"""What differs between two plans, or between two campaigns, in words; pure."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import rfc8785

from planner_graph.campaign import Campaign
from planner_graph.planning.contents import Product, Step
from planner_graph.planning.explanation import duration_text
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.redaction import MARGIN, SECRET, redacted, without_secrets
from planner_graph.types import AgentName

SHOWN = 60
"""Characters of a value that are shown."""

CONSEQUENCES = frozenset({"order", "level", "parallel_group_id", "timing", "cost_estimate_usd", "reasons"})
"""Fields of a step that follow from estimates and from other agents, or only explain: runs go on as before."""

EXPLAINED = frozenset({"critical_path", "duration", "left_out", "dropped"})
"""Fields of a plan of which the same is true."""

RECKONED = "reckoned"
"""What the differences of all such fields are summed up as."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that differs, in words.

    ``agent`` is the one it is about, if any, ``field`` what of it differs. One that does not ``matter`` does not keep a
    run from going on: figures that are only expected, and what follows from them.
    """

    text: str
    field: str
    agent: AgentName | None = None
    matters: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanDifferences:
    """All that differs between two plans, in stable order; as text, each thing on a line of its own.

    ``renamed`` are pairs of a removed and an added agent, old name first, that are perhaps the same one.
    """

    differences: tuple[Difference, ...] = ()
    added: tuple[AgentName, ...] = ()
    removed: tuple[AgentName, ...] = ()
    renamed: tuple[tuple[AgentName, AgentName], ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.differences)

    @property
    def matter(self) -> bool:
        """Whether anything differs that a run which goes on would notice."""
        return bool(self.weighty)

    @property
    def weighty(self) -> tuple[str, ...]:
        """What matters, line by line."""
        return tuple(difference.text for difference in self.differences if difference.matters)

    @property
    def lines(self) -> tuple[str, ...]:
        """What differs, line by line, what matters first."""
        return (*self.weighty, *(difference.text for difference in self.differences if not difference.matters))

    def __str__(self) -> str:
        return "\n".join(self.lines)


def compare(old: ExecutionPlan, new: ExecutionPlan) -> PlanDifferences:
    """Give what differs in ``new``; nothing if and only if the hashes of the two are equal."""
    added = tuple(agent for agent in new.by_agent if agent not in old.by_agent)
    removed = tuple(agent for agent in old.by_agent if agent not in new.by_agent)
    renamed, secrets = _renamed(old, new, removed, added), {*old.secrets, *new.secrets}
    found = [
        *_of_plan(old, new),
        *(_removed(old.by_agent[agent], renamed.get(agent)) for agent in removed),
        *(_added(new.by_agent[agent]) for agent in added),
        *(
            found
            for step in new.steps
            if step.agent in old.by_agent
            for found in _of_step(old.by_agent[step.agent], step, secrets)
        ),
        *_of_products(old, new),
        *_of_sequence(old, new),
    ]
    return PlanDifferences(
        differences=(*(one for one in found if one.field != RECKONED), *_reckoned(found)),
        added=added,
        removed=removed,
        renamed=tuple(renamed.items()),
    )


def compare_campaigns(old: Campaign, new: Campaign, secrets: Collection[str] = ()) -> PlanDifferences:
    """Return what differs in ``new``, which agents receive as it is, even where both lead to the same plan.

    Values that go by one of the names in ``secrets`` are not shown.
    """
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    found = (
        Difference(text=f"campaign: {text}", field=name)
        for name in Campaign.model_fields
        if not same_json(before[name], after[name])
        for text in _texts(name, before[name], after[name], secrets)
    )
    return PlanDifferences(differences=tuple(found))


def changed_values(old: Campaign, new: Campaign) -> frozenset[str]:
    """Give the names of provided values that are not what they were."""
    before, after = ({name: [value] for name, value in campaign.provided.items()} for campaign in (old, new))
    return frozenset(name for name in {**before, **after} if not same_json(before.get(name), after.get(name)))


def _renamed(
    old: ExecutionPlan, new: ExecutionPlan, removed: Sequence[AgentName], added: Sequence[AgentName]
) -> dict[AgentName, AgentName]:
    """Find the added agent, for each removed one, that has its type, outputs and dependencies under another name."""
    found: dict[AgentName, AgentName] = {}
    for agent in removed:
        looks = _looks(old.by_agent[agent], found)
        alike = (other for other in added if other not in found.values() and _looks(new.by_agent[other], {}) == looks)
        other = next(alike, None)
        if other is not None:
            found[agent] = other
    return found


def _looks(step: Step, renamed: Mapping[AgentName, AgentName]) -> tuple[Any, ...]:
    """Give what an agent can be recognized by; its own name, which type and output may bear, is left out."""

    def nameless(text: str) -> str:
        return "" if text == step.agent else text

    dependencies = sorted(
        (renamed.get(dependency.agent, dependency.agent), dependency.kind) for dependency in step.dependencies
    )
    return nameless(step.type), tuple(map(nameless, step.outputs)), tuple(dependencies)


def _removed(step: Step, perhaps: AgentName | None) -> Difference:
    hint = f"; perhaps renamed to {perhaps!r}" if perhaps else ""
    return Difference(text=f"agent {step.agent!r} is removed{hint}", field="agent", agent=step.agent)


def _added(step: Step) -> Difference:
    after = f", which depends on {', '.join(repr(d.agent) for d in step.dependencies)}" if step.dependencies else ""
    return Difference(text=f"agent {step.agent!r} is added{after}", field="agent", agent=step.agent)


def _of_plan(old: ExecutionPlan, new: ExecutionPlan) -> Iterator[Difference]:
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    for name in type(new).model_fields:
        if name in {"steps", "products"} or same_json(before.get(name), after.get(name)):
            continue
        if name == "deliverables" and before.get("products") != after.get("products"):
            continue  # they follow from the products
        if name in EXPLAINED:
            yield Difference(text=_words(name), field=RECKONED, matters=False)
            continue
        for text in _texts(name, before.get(name), after.get(name)):
            yield Difference(text=text, field=name)


def _of_step(old: Step, new: Step, secrets: Collection[str]) -> Iterator[Difference]:
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    for name in type(new).model_fields:
        if same_json(before.get(name), after.get(name)):
            continue
        if name in CONSEQUENCES:
            yield Difference(text=_words(name), field=RECKONED, agent=new.agent, matters=False)
            continue
        say = _SAID.get(name) or partial(_texts, secrets=secrets)
        for text in say(name, before.get(name), after.get(name)):
            yield Difference(
                text=f"agent {new.agent!r}: {text}", field=name, agent=new.agent, matters=name != "estimate"
            )


def _of_products(old: ExecutionPlan, new: ExecutionPlan) -> Iterator[Difference]:
    """Compare what the plans are to give, apart from products that came or went with the agents that give them."""
    before, after = ({product.name: product for product in plan.products} for plan in (old, new))
    if bool(before) != bool(after):  # one of them was made before there were products
        yield Difference(text="products are named in one of the plans only", field="products", matters=False)
        return
    texts = []
    for name, product in before.items():
        if name in after and product != after[name]:
            texts.append(f"{name!r} is {_product(after[name])}, not {_product(product)}")
        elif name not in after and not _goes_with_agents(product, old, new):
            texts.append(f"{name!r} is removed")
    for name, product in after.items():
        if name not in before and not _goes_with_agents(product, new, old):
            texts.append(f"{name!r} is added, {_product(product)}")
    yield from (Difference(text=f"products: {text}", field="products") for text in texts)
    if list(before) != list(after) and sorted(before) == sorted(after):
        yield Difference(text="products: they stand in another order", field="products", matters=False)


def _goes_with_agents(product: Product, plan: ExecutionPlan, other: ExecutionPlan) -> bool:
    """Tell whether all agents that give a product of ``plan`` are missing in the ``other`` one."""
    sources = product.sources.values()
    return bool(sources) and all(source in plan.by_agent and source not in other.by_agent for source in sources)


def _product(product: Product) -> str:
    kind = "main" if product.main else "required" if product.required else "optional"
    outputs = (f"{output} ({product.sources.get(output, 'not in this plan')})" for output in product.outputs)
    return f"{', '.join(outputs)}, {kind}"


def _of_sequence(old: ExecutionPlan, new: ExecutionPlan) -> Iterator[Difference]:
    """Notice agents that stand in another order though each says of itself that it does not."""
    before = [step.agent for step in old.steps if step.agent in new.by_agent]
    after = [step.agent for step in new.steps if step.agent in old.by_agent]
    if before != after:
        text = f"agents go in another order: {', '.join(after)}"
        yield Difference(text=text, field="steps", matters=False)


def _reckoned(found: Iterable[Difference]) -> Iterator[Difference]:
    """Say in one line of which fields, and of which agents, something differs that follows from the rest."""
    agents: dict[str, list[str]] = {}
    for one in found:
        if one.field == RECKONED:
            agents.setdefault(one.text, []).extend([repr(one.agent)] if one.agent else [])
    if agents:
        parts = (f"{words} of {', '.join(names)}" if names else words for words, names in agents.items())
        yield Difference(text=f"and in consequence: {'; '.join(parts)}", field=RECKONED, matters=False)


def _dependencies(name: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    before, after = ({edge["agent"]: edge for edge in edges} for edges in (old, new))
    for agent in before:
        if agent not in after:
            yield f"no longer depends on {_edge(before[agent])}"
    for agent in after:
        if agent not in before:
            yield f"now depends on {_edge(after[agent])}"
        elif before[agent] != after[agent]:
            yield f"depends on {_edge(after[agent])}, not on {_edge(before[agent])}"
    if before == after:
        yield f"{_words(name)} stand in another order"


def _inputs(_: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"no longer reads {name!r} from {old[name]!r}"
        elif name not in old:
            yield f"now reads {name!r} from {new[name]!r}"
        elif old[name] != new[name]:
            yield f"reads {name!r} from {new[name]!r}, not from {old[name]!r}"


def _edge(edge: Mapping[str, Any]) -> str:
    via = f", for {', '.join(map(repr, edge['via']))}" if edge["via"] else ""
    stands_in = f", in place of {edge['stands_in_for']!r}" if edge["stands_in_for"] else ""
    return f"{edge['agent']!r} ({edge['kind']}{via}{stands_in})"


def _estimate(_: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    def said(estimate: Mapping[str, Any]) -> str:
        seconds, p90 = (duration_text(estimate[name]) for name in ("seconds", "p90_seconds"))
        return f"{seconds}, at most {p90} in nine cases of ten ({estimate['source']})"

    yield f"estimate: {said(old)} -> {said(new)}"


_SAID: Mapping[str, Callable[[str, Any, Any], Iterator[str]]] = {
    "dependencies": _dependencies,
    "estimate": _estimate,
    "inputs": _inputs,
}


def _texts(name: str, old: Any, new: Any, secrets: Collection[str] = ()) -> Iterator[str]:
    """Say how a value changed: mappings key by key, lists of names by what came and went, the rest as a whole."""
    words = _words(name)
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_mappings(words, old, new, secrets)
    elif _are_names(old) and _are_names(new) and sorted(old) != sorted(new):
        came, went = ([item for item in ours if item not in theirs] for ours, theirs in ((new, old), (old, new)))
        yield from (f"{words}: {item!r} is removed" for item in went)
        yield from (f"{words}: {item!r} is added" for item in came)
        if not came and not went:
            yield f"{words}: {_shown(old)} -> {_shown(new)}"
    else:
        yield f"{words}: {_shown(old)} -> {_shown(new)}"


def _of_mappings(words: str, old: Mapping[str, Any], new: Mapping[str, Any], secrets: Collection[str]) -> Iterator[str]:
    before, after = (
        {key: SECRET if key in secrets else _shown(without_secrets(item, secrets)) for key, item in values.items()}
        for values in (old, new)
    )
    for key in sorted({*old, *new}):
        if key not in new:
            yield f"{words}: {key!r} is removed, it was {before[key]}"
        elif key not in old:
            yield f"{words}: {key!r} is added, {after[key]}"
        elif not same_json(old[key], new[key]):
            yield f"{words}: {key!r}: {before[key]} -> {after[key]}"


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    shown = redacted(text[: SHOWN + MARGIN])
    return shown if len(text) <= SHOWN else f"{shown[:SHOWN]}..."


def same_json(old: Any, new: Any) -> bool:
    """Compare plain values as a plan's hash does, to which 1 and true are not the same."""
    return rfc8785.dumps(old) == rfc8785.dumps(new)
