"""How a run ended: which products there are, which are missing, and whether a failure touched one of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner_graph.compiler.approval import REJECTED
from planner_graph.compiler.state import AgentRecord, AgentSummary, Result
from planner_graph.planning.contents import CAMPAIGN, Product, StepDependency
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, AgentStatus, DependencyKind, RunStatus

EXCUSES = frozenset({REJECTED})
"""Types of root causes for which an agent that does not run is excused: somebody wanted it so."""


def build_result(plan: ExecutionPlan, campaign: Mapping[str, Any], records: Mapping[str, AgentRecord]) -> Result:
    """Sum a run up.

    ``completed``: no required product is missing, and no failure touched a product. ``failed``: products are required
    and none of those exists, or a main one is missing. ``partial_success`` otherwise.

    A failure is an agent that failed without a fallback that completed. It touches a product if what is delivered was
    made from it, directly or through others, or if the product, or a better output of it, does not exist because of it.
    """
    ended = _Ended(plan, campaign, records)
    if not plan.products:
        return _without_products(ended)
    made = [ended.make(product) for product in plan.products]
    given, lost = [one for one in made if one.given], [one for one in made if not one.given]
    excused = [one for one in lost if ended.is_excused(one)]
    missing = [one for one in lost if one.product.required and one not in excused]
    return Result(
        status=_status(ended, made, missing).value,
        deliverables={one.product.name: one.given[0] for one in given},
        outputs={one.product.name: one.output for one in given},
        missing=_names(missing),
        excused=_names(excused),
        agents=ended.summaries(),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """What became of a product.

    ``given`` holds its value, or nothing if there is none; that is the ``output`` of the ``maker``, or of the campaign.
    ``lacking`` are the agents that should have given it, or something better.
    """

    product: Product
    given: tuple[Any, ...] = ()
    output: str = ""
    maker: AgentName | None = None
    lacking: tuple[AgentName, ...] = ()


class _Ended:
    """The records of a run that has ended, and what follows from them."""

    def __init__(self, plan: ExecutionPlan, campaign: Mapping[str, Any], records: Mapping[str, AgentRecord]) -> None:
        self.plan = plan
        self.provided: Mapping[str, Any] = campaign.get("provided") or {}
        self.records = records
        statuses = {agent: AgentStatus(records[agent]["status"]) for agent in plan.by_agent}
        self.unrepaired = set(plan.unrepaired(statuses))

    def make(self, product: Product) -> _Made:
        """Find the best output of a product that exists."""
        lacking: list[AgentName] = []
        for output in product.outputs:
            source = product.sources.get(output)
            if source is None:
                continue
            maker, given = self.value(output, source)
            if given:
                return _Made(product=product, given=given, output=output, maker=maker, lacking=tuple(lacking))
            lacking += [AgentName(source)] if source != CAMPAIGN else []
        return _Made(product=product, lacking=tuple(lacking))

    def value(self, output: str, source: str) -> tuple[AgentName | None, tuple[Any, ...]]:
        """Give the value of an output as the only item, or nothing if there is none, and the agent that gave it."""
        if source == CAMPAIGN:
            return None, (self.provided[output],) if output in self.provided else ()
        for agent in self.plan.chain_of(AgentName(source)):
            given = self.records[agent]["output"] or {}
            if output in given:
                return agent, (given[output],)
        return None, ()

    def completed(self, agent: AgentName) -> bool:
        return self.records[agent]["status"] == AgentStatus.COMPLETED

    def failed(self, agent: AgentName) -> bool:
        """Tell whether an agent failed, and no fallback made up for it."""
        return agent in self.unrepaired

    def is_lost(self, agent: AgentName) -> bool:
        """Tell whether an agent gave nothing because of a failure, its own or another's."""
        return self.failed(agent) or not (self.cause(agent) is None or self.cause(agent) in EXCUSES)

    def cause(self, agent: AgentName) -> str | None:
        """Give the type of the root cause for which an agent was skipped; ``None`` if there is none."""
        record = self.records[agent]
        return record["error"]["type"] if record["status"] == AgentStatus.SKIPPED and record["error"] else None

    def is_excused(self, made: _Made) -> bool:
        """Tell whether a product does not exist only because somebody rejected an agent."""
        is_rejected = any(self.cause(agent) in EXCUSES for agent in made.lacking)
        return is_rejected and not any(self.is_lost(agent) for agent in made.lacking)

    def is_touched(self, made: Iterable[_Made]) -> bool:
        """Tell whether a failure touched one of the products."""
        made = list(made)
        if any(self.is_lost(agent) for one in made for agent in one.lacking):
            return True
        seen = {one.maker: None for one in made if one.maker is not None}
        pending = list(seen)
        while pending:
            for edge in filter(_brings_something, self.plan.by_agent[pending.pop()].dependencies):
                if self.is_lost(edge.agent):
                    return True
                if self.completed(edge.agent) and edge.agent not in seen:
                    seen[edge.agent] = None
                    pending.append(edge.agent)
        return False

    def summaries(self) -> dict[str, AgentSummary]:
        return {step.agent: _summary(self.records[step.agent]) for step in self.plan.steps}


def _status(ended: _Ended, made: Iterable[_Made], missing: Collection[_Made]) -> RunStatus:
    """Return the status of a run by its products; see :func:`build_result`."""
    if not missing:
        return RunStatus.PARTIAL_SUCCESS if ended.is_touched(made) else RunStatus.COMPLETED
    exists = any(one.given and one.product.required for one in made)
    if not exists or any(one.product.main for one in missing):
        return RunStatus.FAILED
    return RunStatus.PARTIAL_SUCCESS


def _names(made: Iterable[_Made]) -> list[str]:
    return [one.product.name for one in made]


def _brings_something(edge: StepDependency) -> bool:
    """Tell whether an agent could not be what it is without what this edge leads to; waiting alone does not count."""
    return bool(edge.via) or edge.kind is DependencyKind.HARD


def _without_products(ended: _Ended) -> Result:
    """Sum up a run of a plan that was made before there were products, as it was then.

    ``partial_success``: something failed, yet at least one deliverable exists (with none requested: more agents
    completed than failed). With none requested, the outputs that no other agent waits for are given.
    """
    plan = ended.plan
    wanted = plan.deliverables or dict(_final_outputs(plan))
    values = {name: ended.value(name, source)[1] for name, source in wanted.items()}
    deliverables = {name: found[0] for name, found in values.items() if found}
    completed = [step.agent for step in plan.steps if ended.completed(step.agent)]
    failed = [step.agent for step in plan.steps if ended.failed(step.agent)]
    if not failed:
        status = RunStatus.COMPLETED
    elif deliverables if plan.deliverables else len(completed) > len(failed):
        status = RunStatus.PARTIAL_SUCCESS
    else:
        status = RunStatus.FAILED
    return Result(
        status=status.value,
        deliverables=deliverables,
        outputs={name: name for name in deliverables},
        missing=[name for name in wanted if name not in deliverables],
        excused=[],
        agents=ended.summaries(),
    )


def _final_outputs(plan: ExecutionPlan) -> Iterator[tuple[str, str]]:
    """Give the outputs that no other agent waits for, with the agents that give them."""
    regular = [step for step in plan.steps if not step.replaces]
    awaited = {before for step in regular for before in step.waits_for}
    return ((output, step.agent) for step in regular if step.agent not in awaited for output in step.outputs)


def _summary(record: AgentRecord) -> AgentSummary:
    return AgentSummary(
        status=record["status"],
        reason=record["reason"],
        attempts=record["attempts"],
        started_at=record["started_at"],
        ended_at=record["ended_at"],
    )
