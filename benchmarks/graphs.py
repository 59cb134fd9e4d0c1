"""Task graphs to measure with: generated ones, and real ones from a folder named by ``PLANNER_GRAPH_DAGS``.

The folder may hold ``wfinstances.json``: ``{"workflows": [{"name", "tasks": [{"id", "seconds", "parents"}]}]}``.
"""

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

from planner_graph import AgentSpec, Campaign, Catalog, ExecutionPlan, Limits, MasterPlanner
from planner_graph.catalog.spec import Input
from planner_graph.planning.dag import Dag
from planner_graph.types import AgentName

PAYLOAD = "x" * 200
"""What a task that does nothing gives."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Tasks with their predecessors, in topological order, and how many seconds each takes."""

    name: str
    before: dict[str, list[str]]
    seconds: dict[str, float]

    @property
    def critical_path(self) -> float:
        """Seconds of the longest chain."""
        return Dag(self.before).critical_path(self.seconds).length

    @property
    def sinks(self) -> list[str]:
        """Tasks nobody waits for."""
        awaited = {other for others in self.before.values() for other in others}
        return [task for task in self.before if task not in awaited]

    def scaled(self, critical_path: float) -> "Graph":
        """Give the same graph with a critical path of so many seconds."""
        factor = critical_path / self.critical_path
        return Graph(
            name=self.name,
            before=self.before,
            seconds={task: seconds * factor for task, seconds in self.seconds.items()},
        )

    def plan(self, strategy: str = "adaptive", *, max_parallel: int | None = None) -> ExecutionPlan:
        """Plan the graph: each task an agent that reads the outputs of those before it."""
        specs = [
            AgentSpec(
                name=AgentName(task),
                inputs=tuple(Input(name=other) for other in others),
                estimate_seconds=max(self.seconds[task], 1e-3),
            )
            for task, others in self.before.items()
        ]
        campaign = Campaign(id=self.name, deliverables=tuple(self.sinks), limits=Limits(max_parallel=max_parallel))
        return MasterPlanner(Catalog.of(*specs)).create_execution_plan(campaign, strategy)


def chain(count: int) -> Graph:
    """One task after the other."""
    return _idle(f"chain {count}", {f"t{i}": [f"t{i - 1}"] if i else [] for i in range(count)})


def fan(width: int) -> Graph:
    """One task, then many side by side, then one."""
    middle = [f"m{i}" for i in range(width)]
    return _idle(f"fan {width}", {"source": [], **{task: ["source"] for task in middle}, "sink": middle})


def layered(layers: int, width: int, seed: int = 42) -> Graph:
    """Layers of tasks, each after two or three random earlier ones."""
    draw = random.Random(seed)
    before: dict[str, list[str]] = {}
    for layer in range(layers):
        earlier = list(before)
        for place in range(width):
            before[f"n{layer}_{place}"] = sorted(draw.sample(earlier, min(len(earlier), draw.choice((2, 3)))))
    return _idle(f"layered {layers * width}", before)


def timed(graph: Graph, seed: int = 7) -> Graph:
    """Give the tasks log-normal durations around 0.2 s."""
    draw = random.Random(seed)
    seconds = {task: draw.lognormvariate(-1.79, 0.6) for task in graph.before}
    return Graph(name=f"{graph.name}, timed", before=graph.before, seconds=seconds)


def marketing() -> Graph:
    """Seven agents of a blog campaign, in 0.2 % of their real time."""
    before = {
        "planner": [],
        "researcher": ["planner"],
        "writer": ["planner", "researcher"],
        "editor": ["writer"],
        "seo": ["writer", "editor"],
        "image": ["planner"],
        "social_media": ["editor", "seo"],
    }
    tenths = dict(zip(before, (1.2, 1.8, 3.0, 1.8, 1.2, 2.4, 0.9), strict=True))
    return Graph(name="marketing 7", before=before, seconds={task: value / 5 for task, value in tenths.items()})


def uneven_chains() -> Graph:
    """Three chains of different length side by side, then a join."""
    before = {
        f"c{number}_{place}": [f"c{number}_{place - 1}"] if place else []
        for number, length in enumerate((6, 4, 8))
        for place in range(length)
    }
    return timed(_idle("three uneven chains", {**before, "join": ["c0_5", "c1_3", "c2_7"]}), seed=11)


def real(most_tasks: int = 300) -> list[Graph]:
    """Read the real graphs that are at hand, those of at most so many tasks."""
    folder = os.environ.get("PLANNER_GRAPH_DAGS")
    path = Path(folder) / "wfinstances.json" if folder else None
    if path is None or not path.exists():
        return []
    found = []
    for workflow in json.loads(path.read_text())["workflows"]:
        tasks = {task["id"]: task for task in workflow["tasks"]}
        order = Dag({name: task["parents"] for name, task in tasks.items()}).order
        if len(tasks) <= most_tasks:
            before = {name: tasks[name]["parents"] for name in order}
            seconds = {name: float(tasks[name]["seconds"]) for name in order}
            found.append(Graph(name=workflow["name"], before=before, seconds=seconds))
    return found


def _idle(name: str, before: dict[str, list[str]]) -> Graph:
    return Graph(name=name, before=before, seconds=dict.fromkeys(before, 0.0))
