"""The planner: campaign and catalog in, execution plan out.

A straight line of passes over plain values: check, select, link, order, estimate, schedule. Nothing here reads a clock,
a file or a database.
"""

from dataclasses import dataclass

from planner_graph.campaign import Campaign
from planner_graph.catalog import check
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec
from planner_graph.errors import CycleError, Finding, PlanError, nearest
from planner_graph.planning.contents import Duration, LeftOut, Step, Timing
from planner_graph.planning.dag import CriticalPath, Dag, Window
from planner_graph.planning.estimates import DeclaredEstimates, Estimator
from planner_graph.planning.linking import Links, link
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.selection import Selection, select
from planner_graph.planning.strategy import SCHEDULES, Schedule
from planner_graph.types import AgentName, DependencyKind, Strategy

DEFAULT_STRATEGY = Strategy.PARALLEL


@dataclass(frozen=True, kw_only=True)
class PlannerSettings:
    """Choices of the planner that belong to no campaign.

    ``buffer_seconds`` is added to every predicted makespan, for what no estimate knows.
    """

    buffer_seconds: float = 300.0


class MasterPlanner:
    """Makes execution plans from campaigns, with the agents and rules of one catalog.

    >>> plan = MasterPlanner().create_execution_plan(Campaign(type="content_repurposing"), strategy="sequential")
    >>> [step.agent for step in plan.steps]
    ['planner', 'writer', 'editor', 'social_media']
    """

    def __init__(
        self,
        catalog: Catalog | None = None,
        *,
        settings: PlannerSettings | None = None,
        estimator: Estimator | None = None,
    ) -> None:
        self.catalog = catalog if catalog is not None else Catalog.builtin()
        self.settings = settings or PlannerSettings()
        self.estimator = estimator or DeclaredEstimates()

    def create_execution_plan(self, campaign: Campaign, strategy: Strategy | str | None = None) -> ExecutionPlan:
        """Plan ``campaign``; ``strategy`` overrides the campaign's own choice.

        Raises:
            PlanError: no plan follows from campaign and catalog; ``findings`` holds everything that stands in the way.
        """
        draft = self._draft(campaign, strategy)
        if draft.findings:
            raise PlanError(draft.findings)
        return self._plan(campaign, draft)

    def findings(self, campaign: Campaign, strategy: Strategy | str | None = None) -> list[Finding]:
        """Report everything that stands in the way of a plan, in stable order; empty if there is one."""
        return self._draft(campaign, strategy).findings

    def _draft(self, campaign: Campaign, strategy: Strategy | str | None) -> "_Draft":
        findings = check.findings(self.catalog)
        chosen, found = _strategy(campaign, strategy)
        findings += found
        selection, found = select(campaign, self.catalog)
        findings += found
        links, found = link(selection, self.catalog)
        findings += found
        dag, found = _order(links, self.catalog)
        findings += found
        findings += _over_limits(campaign, selection, self.catalog)
        return _Draft(strategy=chosen, selection=selection, links=links, dag=dag, findings=findings)

    def _plan(self, campaign: Campaign, draft: "_Draft") -> ExecutionPlan:
        specs = {name: self.catalog.agents[name] for name in draft.selection.reasons}
        estimates = {name: self.estimator.estimate(spec) for name, spec in specs.items()}
        seconds = {name: estimate.seconds for name, estimate in estimates.items()}
        critical = draft.dag.critical_path(seconds)
        schedule = SCHEDULES[draft.strategy](draft.dag, seconds)
        steps = tuple(
            Step(
                agent=name,
                type=spec.type,
                order=position,
                level=draft.dag.levels[name],
                parallel_group_id=schedule.groups[name],
                dependencies=draft.links.dependencies[name],
                inputs=draft.links.inputs[name],
                outputs=spec.outputs,
                reasons=draft.selection.reasons[name],
                estimate=estimates[name],
                timing=_timing(critical.windows[name], critical.length),
                parallel_safe=spec.parallel_safe,
                resources=spec.resources,
                max_retries=spec.max_retries,
                backoff=spec.backoff,
                timeout_seconds=spec.timeout_seconds,
                fallback=spec.fallback,
                cost_estimate_usd=spec.cost_estimate_usd,
                configuration={**spec.configuration, **campaign.configuration.get(name, {})},
            )
            for position, (name, spec) in enumerate(((name, specs[name]) for name in schedule.order), start=1)
        )
        return ExecutionPlan(
            campaign_id=campaign.id,
            campaign_type=campaign.type,
            strategy=draft.strategy,
            steps=steps,
            deliverables=draft.selection.deliverables,
            provided=tuple(campaign.provided),
            critical_path=critical.path,
            duration=self._duration(schedule, critical, sum(seconds.values())),
            max_parallel=campaign.limits.max_parallel,
            resources=campaign.limits.resources,
            left_out=tuple(LeftOut(agent=name, reason=why) for name, why in draft.selection.left_out.items()),
            dropped=draft.links.dropped,
        )

    def _duration(self, schedule: Schedule, critical: CriticalPath[AgentName], work: float) -> Duration:
        return Duration(
            predicted=_rounded(schedule.makespan),
            critical_path=_rounded(critical.length),
            work=_rounded(work),
            buffer=self.settings.buffer_seconds,
        )


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """What the checking passes have found out about a campaign."""

    strategy: Strategy
    selection: Selection
    links: Links
    dag: Dag[AgentName]
    findings: list[Finding]


def _strategy(campaign: Campaign, wanted: Strategy | str | None) -> tuple[Strategy, list[Finding]]:
    name = wanted or campaign.strategy or DEFAULT_STRATEGY
    known = [strategy.value for strategy in SCHEDULES]
    if name in known:
        return Strategy(name), []
    hint = nearest(str(name), known).removeprefix(", ") or f"choose one of: {', '.join(known)}"
    file = None if wanted else campaign.file
    return DEFAULT_STRATEGY, [Finding(problem=f"unknown strategy {str(name)!r}", remedy=hint, file=file, key="strategy")]


def _order(links: Links, catalog: Catalog) -> tuple[Dag[AgentName], list[Finding]]:
    """Build the DAG of the edges that an agent waits for; an optional dependency orders nothing."""
    waits_for = {
        name: [edge.agent for edge in edges if edge.kind is not DependencyKind.OPTIONAL]
        for name, edges in links.dependencies.items()
    }
    try:
        return Dag(waits_for), []
    except CycleError as error:
        return Dag({}), [
            Finding(
                problem=f"circular dependency: {' -> '.join(cycle)}",
                remedy="remove one of these dependencies or make it optional",
                file=catalog.file_of(f"agents.{cycle[0]}"),
                key=f"agents.{cycle[0]}",
                agents=cycle,
            )
            for cycle in error.cycles
        ]


def _over_limits(campaign: Campaign, selection: Selection, catalog: Catalog) -> list[Finding]:
    """Report needs that can never be met: more of a resource than there is, more money than allowed."""
    findings = []
    specs: list[AgentSpec] = [catalog.agents[name] for name in selection.reasons]
    for spec in specs:
        for pool, amount in spec.resources.items():
            capacity = campaign.limits.resources.get(pool)
            if capacity is not None and amount > capacity:
                findings.append(
                    Finding(
                        problem=f"agent {spec.name!r} needs {amount:g} of {pool!r}, but the limit is {capacity:g}",
                        remedy=f"raise limits.resources.{pool} or lower the agent's need",
                        file=campaign.file,
                        key=f"limits.resources.{pool}",
                    )
                )
    cost, budget = sum(spec.cost_estimate_usd for spec in specs), campaign.limits.budget_usd
    if budget is not None and cost > budget:
        problem = f"the agents' cost estimates add up to {cost:.2f} USD, the budget is {budget:.2f} USD"
        remedy = "raise limits.budget_usd or ask for fewer deliverables"
        findings.append(Finding(problem=problem, remedy=remedy, file=campaign.file, key="limits.budget_usd"))
    return findings


def _timing(window: Window, length: float) -> Timing:
    return Timing(
        earliest_start=_rounded(window.earliest_start),
        earliest_end=_rounded(window.earliest_end),
        latest_start=_rounded(window.latest_start),
        latest_end=_rounded(window.latest_end),
        slack_seconds=max(0.0, _rounded(window.slack)),
        critical=window.slack <= 1e-9 * max(length, 1.0),
    )


def _rounded(seconds: float) -> float:
    """Round to microseconds, so that sums in another order give the same bytes."""
    return round(seconds, 6)
