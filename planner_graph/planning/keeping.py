"""Which agents of a run need not run again when a part of it does, or when it continues under another plan; pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from planner_graph.planning.comparison import same_json
from planner_graph.planning.contents import CAMPAIGN, Step, StepDependency
from planner_graph.planning.plan import ExecutionPlan
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


Reads = Mapping[AgentName, Collection[AgentName]]
"""For each agent the optional dependencies whose output it got; they need not have ended before it started."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """The agents whose records are ``kept`` under a new plan, and those that run ``again``, with the reason in words.

    Both are in execution order of the new plan. ``gone`` are those that had ended and are not in it.
    """

    kept: tuple[AgentName, ...]
    again: Mapping[AgentName, str]
    gone: tuple[AgentName, ...]


def keep(  # noqa: PLR0913  # what is known of the agents, all by keyword
    old: ExecutionPlan,
    new: ExecutionPlan,
    ended: Mapping[AgentName, AgentStatus],
    *,
    changed_values: Collection[str] = (),
    stopped: Collection[AgentName] = (),
    read: Reads = MappingProxyType({}),
) -> Keeping:
    """Decide which records stay true under ``new``, of the agents that have ``ended`` under ``old``.

    An agent is kept if it would do the same again: its type, inputs, outputs, configuration and dependencies are what
    they were, all that it waited for is kept, and no value it reads from the campaign is among ``changed_values``. One
    that failed, and for which no fallback made up, runs again, too, if the rules for its attempts changed. An agent
    that ``read`` the output of an optional dependency runs again if that one does; one that ended without it is kept. A
    fallback that was added to a dependency which completed changes nothing. Those that were ``stopped``, skipped only
    because something failed elsewhere, are looked at again.
    """
    return _Reuse(old, new, changed_values, frozenset(stopped), read).of(ended)


def keep_before(  # noqa: PLR0913  # what is known of the agents, the rest by keyword
    old: ExecutionPlan,
    new: ExecutionPlan,
    ended: Mapping[AgentName, AgentStatus],
    agents: Collection[AgentName],
    *,
    idle: Collection[AgentName] = (),
    read: Reads = MappingProxyType({}),
) -> Keeping:
    """Decide which records stay true where ``agents`` are to run again, under a plan that may configure them otherwise.

    These agents run again, those that failed or were skipped do, and every agent that depends on any of them, or that
    ``read`` what one of them gave; all others that completed are kept. So is an agent that failed and whose fallback
    completed, and a fallback that was skipped because there was nothing to make up for, which is ``idle``.
    """
    good = {
        name: status
        for name, status in ended.items()
        if status is AgentStatus.COMPLETED or name in idle or old.repairer(name, ended)
    }
    keeping = keep(old, new, {name: status for name, status in good.items() if name not in agents}, read=read)
    reasons = {name: f"it had ended as {status.value!r}" for name, status in ended.items() if name not in good}
    reasons |= {**keeping.again, **dict.fromkeys(agents, "it was asked to")}
    return replace(keeping, again={step.agent: reasons[step.agent] for step in new.steps if step.agent in reasons})


class _Reuse:
    """Two plans, and what is known of how the agents of the old one ended."""

    def __init__(
        self,
        old: ExecutionPlan,
        new: ExecutionPlan,
        changed_values: Collection[str],
        stopped: Collection[AgentName],
        read: Reads,
    ) -> None:
        self.old, self.new = old, new
        self.changed_values = changed_values
        self.stopped = stopped
        self.read = read

    def of(self, ended: Mapping[AgentName, AgentStatus]) -> Keeping:
        """Decide on each agent, again and again until no further one must run again.

        An optional dependency may come later in the order of the plan than the agent that read it, so one pass through
        the plan, which is enough for all other edges, would miss that.
        """
        again: dict[AgentName, str] = {}
        while True:
            kept, more = self._pass(ended, again)
            if not more:
                break
            again |= more
        gone = tuple(agent for agent in self.old.by_agent if agent in ended and agent not in self.new.by_agent)
        in_order = {step.agent: again[step.agent] for step in self.new.steps if step.agent in again}
        return Keeping(kept=tuple(kept), again=in_order, gone=gone)

    def _pass(
        self, ended: Mapping[AgentName, AgentStatus], again: Mapping[AgentName, str]
    ) -> tuple[dict[AgentName, AgentStatus], dict[AgentName, str]]:
        """Go through the plan once: return the agents that are kept, and those that must run again, too."""
        kept: dict[AgentName, AgentStatus] = {}
        more: dict[AgentName, str] = {}
        renewed = {agent for agent in self.old.by_agent if agent not in ended or agent in again}
        for step in self.new.steps:
            known = step.agent in ended and step.agent in self.old.by_agent
            if not known or step.agent in again:
                continue
            reason = self._reason(step, ended, kept, renewed)
            if reason is None:
                kept[step.agent] = ended[step.agent]
            else:
                more[step.agent] = reason
                renewed.add(step.agent)
        return kept, more

    def _reason(
        self,
        step: Step,
        ended: Mapping[AgentName, AgentStatus],
        kept: Mapping[AgentName, AgentStatus],
        renewed: Collection[AgentName],
    ) -> str | None:
        """Say why an agent must run again; ``kept`` are those before it that need not, ``renewed`` those that must."""
        before = self.old.by_agent[step.agent]
        done = ended[step.agent] is AgentStatus.COMPLETED or self.new.repairer(step.agent, ended) is not None
        names = _DECIDES if done else (*_DECIDES, *_ATTEMPTS)
        reason = next(_reasons((self.old, before), (self.new, step), names, kept, self.changed_values), None)
        if reason is None:
            source = next((agent for agent in self.read.get(step.agent, ()) if agent in renewed), None)
            reason = f"it read what {source!r} gave, which runs again" if source else None
        if reason is None and step.agent in self.stopped:
            reason = "it had been stopped because another agent failed"
        return reason


def _reasons(
    old: tuple[ExecutionPlan, Step],
    new: tuple[ExecutionPlan, Step],
    names: Collection[str],
    kept: Mapping[AgentName, AgentStatus],
    changed_values: Collection[str],
) -> Iterator[str]:
    """Give why an agent must run again, the best reason first: another value of one of these fields comes first.

    ``kept`` are the agents before it that need not.
    """
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
