"""A plan in words: why each agent is in, why the order, where the time goes, what was dropped."""

from collections.abc import Iterable, Iterator

from planner_graph.planning.contents import PlanContents, Product, Step, StepDependency
from planner_graph.types import DependencyKind, Strategy

MINUTE, HOUR = 60, 3600

_ORDERING = {
    Strategy.SEQUENTIAL: "one agent after the other, each after everything it depends on",
    Strategy.PARALLEL: "level by level: the agents of a level run side by side, the next level waits for the slowest",
    Strategy.ADAPTIVE: "each agent starts once its own dependencies have ended, the longest remaining chain first",
}


def explain(plan: PlanContents) -> str:
    """Explain ``plan`` in plain text, in lines of its own for each agent."""
    sections = [
        _summary(plan),
        ["Agents, in execution order:", *(line for step in plan.steps for line in _agent(step))],
        _critical_path(plan),
        _deliverables(plan),
        _dropped(plan),
        _left_out(plan),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def duration_text(seconds: float) -> str:
    """Write a duration the way people do: ``45 s``, ``3 min``, ``20 min 30 s``, ``2 h 5 min``.

    >>> [duration_text(seconds) for seconds in (0.5, 45, 180, 1230, 7500)]
    ['0.5 s', '45 s', '3 min', '20 min 30 s', '2 h 5 min']
    """
    if seconds < MINUTE:
        return f"{seconds:.3g} s"
    if round(seconds) < HOUR:
        minutes, rest = divmod(round(seconds), MINUTE)
        units = [(minutes, "min"), (rest, "s")]
    else:
        hours, minutes = divmod(round(seconds / MINUTE), HOUR // MINUTE)
        units = [(hours, "h"), (minutes, "min")]
    return " ".join(f"{count} {unit}" for count, unit in units if count)


def _summary(plan: PlanContents) -> list[str]:
    kind = f" of type {plan.campaign_type!r}" if plan.campaign_type else ""
    duration = plan.duration
    expected = (
        f"Expected: {duration_text(duration.predicted)} for {duration_text(duration.work)} of work; no strategy beats "
        f"the critical path of {duration_text(duration.critical_path)}. "
        f"With the buffer of {duration_text(duration.buffer)}: "
        f"{plan.estimated_duration_minutes} min."
    )
    return [
        f"Plan for campaign {plan.campaign_id!r}{kind}: {_count(len(plan.steps), 'agent')}, strategy {plan.strategy}.",
        f"Order: {_ORDERING[plan.strategy]}. Ties keep the catalog's order.",
        expected,
    ]


def _agent(step: Step) -> Iterator[str]:
    mark = "critical" if step.timing.critical else f"may slip {duration_text(step.timing.slack_seconds)}"
    group = f", parallel group {step.parallel_group_id}" if step.parallel_group_id is not None else ""
    estimate = f"{duration_text(step.estimate.seconds)}, {step.estimate.source}"
    yield f"  {step.order}. {step.agent} ({estimate}; {mark}{group})"
    yield f"     in because: {'; '.join(step.reasons)}"
    for lead, dependencies in (
        ("after", [edge for edge in step.dependencies if edge.kind is not DependencyKind.OPTIONAL]),
        ("uses without waiting", [edge for edge in step.dependencies if edge.kind is DependencyKind.OPTIONAL]),
    ):
        if dependencies:
            yield f"     {lead}: {'; '.join(_dependency(edge) for edge in dependencies)}"
    provided = [name for name, source in step.inputs.items() if source == "campaign"]
    if provided:
        yield f"     from the campaign: {', '.join(provided)}"


def _dependency(edge: StepDependency) -> str:
    if edge.stands_in_for:
        return f"{edge.agent} (fallback of {edge.stands_in_for})"
    kind = " (soft)" if edge.kind is DependencyKind.SOFT else ""
    return f"{edge.agent}{kind}" + (f" for {', '.join(edge.via)}" if edge.via else "")


def _critical_path(plan: PlanContents) -> list[str]:
    return [f"Critical path ({duration_text(plan.duration.critical_path)}): {' -> '.join(plan.critical_path)}"]


def _deliverables(plan: PlanContents) -> list[str]:
    lines = [f"  {line}" for line in product_lines(plan)]
    return ["Deliverables:", *lines] if lines else []


def product_lines(plan: PlanContents) -> list[str]:
    """Say what the run is to give: each product with its outputs, best first, and where they come from."""
    if not plan.products:  # made before there were products
        return [f"{name}: from {source}" for name, source in plan.deliverables.items()]
    return [f"{product.name}: {_product(product)}" for product in plan.products]


def _product(product: Product) -> str:
    """Say what a product is made of; its outputs are named where they have other names."""
    kind = " (main)" if product.main else "" if product.required else " (optional)"
    made = [
        f"from {source}" if output == product.name else f"{output} from {source}"
        for output in product.outputs
        if (source := product.sources.get(output))
    ]
    if not made:
        return f"not in this plan, no agent of it gives {', '.join(map(repr, product.outputs))}{kind}"
    return ", else ".join(made) + kind


def _dropped(plan: PlanContents) -> list[str]:
    lines = [f"  {item.agent} after {item.depends_on} ({item.kind}): {item.reason}" for item in plan.dropped]
    return ["Dropped dependencies, because the other agent is left out:", *lines] if lines else []


def _left_out(plan: PlanContents) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for item in plan.left_out:
        by_reason.setdefault(item.reason, []).append(item.agent)
    lines = [f"  {_joined(names)}: {reason}" for reason, names in by_reason.items()]
    return ["Left out:", *lines] if lines else []


def _joined(names: Iterable[str], most: int = 60) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
