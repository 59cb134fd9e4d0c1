"""The planner: campaign and catalog in, execution plan out.

A straight line of passes over plain values: check, select, link, order, estimate, schedule. Nothing here reads a clock,
a file or a database.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner_graph.campaign import Campaign
from planner_graph.catalog import check
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec
from planner_graph.errors import Finding, NoDatabaseError, PlanError, nearest
from planner_graph.planning import capacities
from planner_graph.planning.capacities import Capacities
from planner_graph.planning.contents import Duration, LeftOut, Step, Timing
from planner_graph.planning.dag import CriticalPath, Dag, Window
from planner_graph.planning.estimates import DeclaredEstimates, Estimator
from planner_graph.planning.linking import Links, dag_of, link
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.scheduler import needs
from planner_graph.planning.selection import Selection, select
from planner_graph.planning.strategy import SCHEDULES, Schedule, Workload
from planner_graph.types import AgentName, Strategy
from planner_graph.values import Seconds, Value

DEFAULT_STRATEGY = Strategy.ADAPTIVE

MICROSECONDS = 1_000_000
"""Per second. Time is reckoned in whole microseconds: sums are exact, whatever their order, and so is zero slack."""


class PlannerSettings(Value):
    """Choices of the planner that belong to no campaign.

    ``buffer_seconds`` is added to every predicted makespan, for what no estimate knows.
    """

    buffer_seconds: Seconds = 300.0


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

    def estimating_by(self, estimator: Estimator) -> "MasterPlanner":
        """Give the same planner with another estimator."""
        return MasterPlanner(self.catalog, settings=self.settings, estimator=estimator)

    def create_execution_plan(
        self,
        campaign: Campaign | None = None,
        strategy: Strategy | str | None = None,
        *,
        campaign_id: str | None = None,
        workflow_execution_id: str | None = None,
    ) -> ExecutionPlan:
        """Plan ``campaign``; ``strategy`` overrides the campaign's own choice.

        The ids of a stored campaign and of a run are for a planner with a database,
        :class:`~planner_graph.runtime.planner.DatabasePlanner`.

        Raises:
            NoDatabaseError: it was given the id of a campaign in the place of a campaign.
            PlanError: no plan follows from campaign and catalog; ``findings`` holds everything that stands in the way.
        """
        if not isinstance(campaign, Campaign) or campaign_id is not None or workflow_execution_id is not None:
            raise NoDatabaseError(campaign_id if campaign is None else campaign)
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
        dag, found = dag_of(links, self.catalog)
        findings += found
        findings += _over_limits(campaign, selection, self.catalog)
        return _Draft(strategy=chosen, selection=selection, links=links, dag=dag, findings=findings)

    def _plan(self, campaign: Campaign, draft: "_Draft") -> ExecutionPlan:
        specs = {name: self.catalog.agents[name] for name in draft.selection.reasons}
        estimates = {name: self.estimator.estimate(spec) for name, spec in specs.items()}
        seconds = {
            name: 0.0 if name in draft.selection.stand_ins else estimate.seconds for name, estimate in estimates.items()
        }
        durations = {name: round(value * MICROSECONDS) for name, value in seconds.items()}
        pools = Capacities.of(campaign, self.catalog, specs.values())
        critical = draft.dag.critical_path(durations)
        schedule = SCHEDULES[draft.strategy](
            Workload(
                dag=draft.dag,
                seconds=seconds,
                resources={
                    name: {} if name in draft.selection.stand_ins else needs(spec) for name, spec in specs.items()
                },
                max_parallel=campaign.limits.max_parallel,
                capacities=pools.amounts,
            )
        )
        return ExecutionPlan(
            campaign_id=campaign.id,
            campaign_type=campaign.type,
            strategy=draft.strategy,
            steps=tuple(
                Step(
                    agent=name,
                    order=position,
                    level=draft.dag.levels[name],
                    parallel_group_id=schedule.groups[name],
                    dependencies=draft.links.dependencies[name],
                    inputs=dict(draft.links.inputs[name]),
                    reasons=draft.selection.reasons[name],
                    estimate=estimates[name],
                    timing=_timing(critical.windows[name]),
                    replaces=draft.selection.stand_ins.get(name),
                    **_declared(specs[name], campaign),
                )
                for position, name in enumerate(schedule.order, start=1)
            ),
            deliverables={p.name: p.sources[best] for p in draft.selection.products if (best := p.best_output)},
            products=draft.selection.products,
            provided=tuple(sorted(campaign.provided)),
            critical_path=critical.path,
            duration=self._duration(schedule, critical, sum(durations.values())),
            max_parallel=campaign.limits.max_parallel,
            resources=pools.amounts,
            process_pools=pools.process,
            left_out=tuple(LeftOut(agent=name, reason=why) for name, why in draft.selection.left_out.items()),
            dropped=draft.links.dropped,
            fail_fast=campaign.limits.fail_fast,
            secrets=_secrets(self.catalog.secrets, specs.values(), campaign),
        )

    def _duration(self, schedule: Schedule, critical: CriticalPath[AgentName], work: float) -> Duration:
        return Duration(
            predicted=round(schedule.makespan * MICROSECONDS) / MICROSECONDS,
            critical_path=critical.length / MICROSECONDS,
            work=work / MICROSECONDS,
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
    hint = nearest(str(name), known) or f"choose one of: {', '.join(known)}"
    return DEFAULT_STRATEGY, [Finding(problem=f"unknown strategy {str(name)!r}", remedy=hint, key="strategy")]


def _over_limits(campaign: Campaign, selection: Selection, catalog: Catalog) -> list[Finding]:
    """Report limits that are none, and needs that can never be met: more of a pool than there is, more money."""
    specs = [catalog.agents[name] for name in selection.reasons]
    findings = [*capacities.findings(campaign, catalog, specs), *capacities.strange_values(campaign, catalog)]
    cost, budget = round(math.fsum(spec.cost_estimate_usd for spec in specs), 6), campaign.limits.budget_usd
    if budget is not None and cost > budget:
        problem = f"the agents' cost estimates add up to {cost:.10g} USD, the budget is {budget:.10g} USD"
        remedy = "raise limits.budget_usd or ask for fewer deliverables"
        findings.append(campaign.finding(("limits", "budget_usd"), problem, remedy))
    return findings


def _secrets(names: Iterable[str], specs: Iterable[AgentSpec], campaign: Campaign) -> tuple[str, ...]:
    """Return those names of secrets that stand for a value of this plan, sorted; other plans keep their hashes."""
    here = set(campaign.provided)
    for spec in specs:
        here.update(item.name for item in spec.inputs)
        here.update(spec.outputs, spec.configuration, campaign.configuration.get(spec.name, {}))
    return tuple(sorted(here.intersection(names)))


def _declared(spec: AgentSpec, campaign: Campaign) -> dict[str, Any]:
    """Give the fields of a step that are the spec's own, with the campaign's configuration laid over it."""
    return {
        "type": spec.type,
        "outputs": spec.outputs,
        "parallel_safe": spec.parallel_safe,
        "resources": spec.resources,
        "max_retries": spec.max_retries,
        "backoff": spec.backoff,
        "timeout_seconds": spec.timeout_seconds,
        "total_timeout_seconds": spec.total_timeout_seconds,
        "retry_on": spec.retry_on,
        "do_not_retry": spec.do_not_retry,
        "isolation": spec.isolation,
        "approval": spec.approval,
        "effects": spec.effects,
        "fallback": spec.fallback,
        "cost_estimate_usd": spec.cost_estimate_usd,
        "configuration": {**spec.configuration, **campaign.configuration.get(spec.name, {})},
    }


def _timing(window: Window) -> Timing:
    """Turn a window in microseconds into seconds."""
    return Timing(
        earliest_start=window.earliest_start / MICROSECONDS,
        earliest_end=window.earliest_end / MICROSECONDS,
        latest_start=window.latest_start / MICROSECONDS,
        latest_end=window.latest_end / MICROSECONDS,
        slack_seconds=window.slack / MICROSECONDS,
        critical=window.slack == 0,
    )
