"""Valid plans made from nothing but dependencies, for tests of what reads a plan."""

from collections.abc import Mapping, Sequence

from planner_graph.catalog.spec import Backoff
from planner_graph.planning.contents import Duration, Estimate, Step, StepDependency, Timing
from planner_graph.planning.dag import Dag
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, DependencyKind, Strategy

BLOG = {
    "planner": [],
    "researcher": ["planner"],
    "writer": ["planner", "researcher"],
    "editor": ["writer"],
    "seo": ["writer", "editor"],
    "image": ["writer"],
    "social_media": ["writer", "editor"],
}
BLOG_SECONDS = {
    "planner": 120.0,
    "researcher": 180.0,
    "writer": 300.0,
    "editor": 180.0,
    "seo": 120.0,
    "image": 240.0,
    "social_media": 90.0,
}


def make_plan(
    dependencies: Mapping[str, Sequence[str]],
    *,
    seconds: Mapping[str, float] | None = None,
    kinds: Mapping[tuple[str, str], str] | None = None,
    strategy: str = "parallel",
    campaign_id: str = "campaign",
) -> ExecutionPlan:
    """Make the plan in which each agent depends on the ones listed for it.

    ``kinds`` gives the kind of single edges by (agent, depends on); the others are hard. ``seconds`` defaults to 60 for
    each agent. As in the planner, optional dependencies order nothing, and levels are the parallel groups.
    """
    names = [AgentName(name) for name in dependencies]
    edges = {
        name: tuple(
            StepDependency(agent=AgentName(other), kind=DependencyKind((kinds or {}).get((name, other), "hard")))
            for other in dependencies[name]
        )
        for name in names
    }
    dag = Dag({name: [e.agent for e in edges[name] if e.kind is not DependencyKind.OPTIONAL] for name in names})
    durations = {name: (seconds or {}).get(name, 60.0) for name in names}
    critical = dag.critical_path(durations)
    members: dict[int, list[AgentName]] = {}
    for name in names:
        members.setdefault(dag.levels[name], []).append(name)
    side_by_side = Strategy(strategy) is Strategy.PARALLEL
    order = [name for _, level in sorted(members.items()) for name in level] if side_by_side else list(dag.order)
    makespans = [max(durations[name] for name in level) for level in members.values()]
    steps = []
    for position, name in enumerate(order, start=1):
        level, window = dag.levels[name], critical.windows[name]
        steps.append(
            Step(
                agent=name,
                type="generic",
                order=position,
                level=level,
                parallel_group_id=level if side_by_side and len(members[level]) > 1 else None,
                dependencies=edges[name],
                inputs={},
                outputs=(name,),
                reasons=("asked for",),
                estimate=Estimate(seconds=durations[name], p90_seconds=durations[name], source="declared"),
                timing=Timing(
                    earliest_start=window.earliest_start,
                    earliest_end=window.earliest_end,
                    latest_start=window.latest_start,
                    latest_end=window.latest_end,
                    slack_seconds=window.slack,
                    critical=window.slack == 0,
                ),
                parallel_safe=True,
                resources={},
                max_retries=0,
                backoff=Backoff(),
                timeout_seconds=60.0,
                fallback=None,
                cost_estimate_usd=0.0,
                configuration={},
            )
        )
    return ExecutionPlan(
        campaign_id=campaign_id,
        campaign_type=None,
        strategy=Strategy(strategy),
        steps=tuple(steps),
        deliverables={},
        provided=(),
        critical_path=critical.path,
        duration=Duration(
            predicted=sum(makespans) if side_by_side else sum(durations.values()),
            critical_path=critical.length,
            work=sum(durations.values()),
            buffer=300.0,
        ),
        max_parallel=None,
        resources={},
        left_out=(),
        dropped=(),
    )
