"""Which agents of a run need not run again when it goes on under another plan; pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from planner_graph.planning.comparison import same_json
from planner_graph.planning.contents import Step, StepDependency
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.selection import CAMPAIGN
from planner_graph.types import AgentName, AgentStatus, DependencyKind

_DECIDES = ("type", "inputs", "outputs", "replaces", "configuration")
"""Fields of a step, beside its dependencies, on which depends what its agent gives."""

_ATTEMPTS = (
    "max_retries",
    "backoff",
    "timeout_seconds",
    "total_timeout_seconds",
    "retry_on",
    "do_not_retry",
    "isolation",
    "approval",
)
"""Fields on which depends whether one that failed would fail again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """Whose record is ``kept`` under a new plan, and who runs ``again``, each with the reason in words.

    Both are in execution order of the new plan. ``gone`` are those that had ended and are not in it.
    """

    kept: tuple[AgentName, ...]
    again: Mapping[AgentName, str]
    gone: tuple[AgentName, ...]


def keep(
    old: ExecutionPlan,
    new: ExecutionPlan,
    ended: Mapping[AgentName, AgentStatus],
    *,
    changed_values: Collection[str] = (),
    stopped: Collection[AgentName] = (),
) -> Keeping:
    """Decide whose records stay true under ``new``, of the agents that have ``ended`` under ``old``.

    An agent is kept if it would do the same again: its type, inputs, outputs, configuration and dependencies are what
    they were, all that it waited for is kept, and no value it reads from the campaign is among ``changed_values``. One
    that failed runs again, too, if the rules for its attempts changed. What comes from an optional dependency may be
    out of date, as it may always be. A fallback that was added to a dependency which completed changes nothing. Those
    who were ``stopped``, skipped only because something failed elsewhere, are looked at again.
    """
    kept: dict[AgentName, AgentStatus] = {}
    again: dict[AgentName, str] = {}
    for step in new.steps:
        status = ended.get(step.agent)
        if status is None or step.agent not in old.by_agent:
            continue
        before = old.by_agent[step.agent]
        reason = next(_reasons((old, before), (new, step), status, kept, changed_values), None)
        if step.agent in stopped:
            reason = reason or "it had been stopped because another agent failed"
        if reason is None:
            kept[step.agent] = status
        else:
            again[step.agent] = reason
    gone = tuple(agent for agent in old.by_agent if agent in ended and agent not in new.by_agent)
    return Keeping(kept=tuple(kept), again=again, gone=gone)


def keep_before(
    old: ExecutionPlan,
    new: ExecutionPlan,
    ended: Mapping[AgentName, AgentStatus],
    agent: AgentName,
    *,
    idle: Collection[AgentName] = (),
) -> Keeping:
    """Decide whose records stay true where ``agent`` is to run again, under a plan that may configure it otherwise.

    That agent runs again, those that failed or were skipped do, and whoever depends on any of them; all others that
    completed are kept. A fallback that was skipped because there was nothing to make up for is ``idle``, and kept, too.
    """
    good = {name: status for name, status in ended.items() if status is AgentStatus.COMPLETED or name in idle}
    keeping = keep(old, new, {name: status for name, status in good.items() if name != agent})
    bad = {name: f"it had ended as {status.value!r}" for name, status in ended.items() if name not in good}
    return replace(keeping, again={**bad, **keeping.again, agent: "it was asked to"})


def _reasons(
    old: tuple[ExecutionPlan, Step],
    new: tuple[ExecutionPlan, Step],
    status: AgentStatus,
    kept: Mapping[AgentName, AgentStatus],
    changed_values: Collection[str],
) -> Iterator[str]:
    """Give why an agent must run again, the best reason first; ``kept`` are those before it that need not."""
    names = _DECIDES if status is AgentStatus.COMPLETED else (*_DECIDES, *_ATTEMPTS)
    was, step = (one.model_dump(mode="json") for _, one in (old, new))
    changed = [name for name in names if not same_json(was.get(name), step.get(name))]
    if changed:
        yield f"its {changed[0].replace('_', ' ')} changed"
    before, after = (_edges(plan, one, kept) for plan, one in (old, new))
    if before != after:
        yield "its dependencies changed"
    renewed = [a for a, edge in after.items() if edge.kind is not DependencyKind.OPTIONAL and a not in kept]
    if renewed:
        yield f"{renewed[0]!r} runs again"
    values = [name for name, source in new[1].inputs.items() if source == CAMPAIGN and name in changed_values]
    if values:
        yield f"the campaign's value {values[0]!r} changed"


def _edges(plan: ExecutionPlan, step: Step, kept: Mapping[AgentName, AgentStatus]) -> dict[AgentName, StepDependency]:
    """Give the dependencies of an agent that count, by name: without fallbacks that have nothing to do."""
    return {edge.agent: edge for edge in step.dependencies if not _is_idle(plan, edge.agent, kept)}


def _is_idle(plan: ExecutionPlan, agent: AgentName, kept: Mapping[AgentName, AgentStatus]) -> bool:
    """Tell whether an agent only stands in for one that completed, if need be by a fallback of its own."""
    stood_in_for = plan.by_agent[agent].replaces
    if stood_in_for is None:
        return False
    return kept.get(stood_in_for) is AgentStatus.COMPLETED or _is_idle(plan, stood_in_for, kept)
