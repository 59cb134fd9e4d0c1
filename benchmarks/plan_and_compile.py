"""How long planning and compiling take, by number and shape of agents, and how the time grows.

Planning is measured from a catalog and a campaign to the hash of the plan; the campaign asks for the outputs that no
agent reads, so that backward chaining walks every edge. Compiling is measured from a plan to a LangGraph graph. All
figures are medians; targets are held against wall time. The exponent is the slope of processor time over agents on
logarithmic scales, 1 being linear.

Ends with exit code 1 if a target is missed.
"""

import argparse
import gc
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isqrt, log
from typing import TYPE_CHECKING, Any

from planner_graph import compile_plan
from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner

if TYPE_CHECKING:
    from planner_graph.compiler.body import Body

SIZES = (1_000, 2_000, 5_000, 10_000)
COMPILED = 1_000
STRATEGIES = ("sequential", "parallel")

PLANNING_TARGETS = {1_000: 1.0, 10_000: 15.0}
"""Seconds allowed for planning so many agents."""

COMPILING_TARGETS = {1_000: 2.0}
"""Seconds allowed for compiling a plan of so many agents."""

LARGEST_EXPONENT = 1.4
"""Growth that still counts as near linear. With Python's garbage collector off it is 1.0; full collections, which small
plans escape, add up to 0.3."""

DENSE_DEGREE = 20
"""Dependencies of each agent of the dense shape, as far as there are so many before it."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The median of several runs of one task: wall time and processor time, in seconds.

    ``allowed`` is the target for wall time, if there is one.
    """

    task: str
    shape: str
    agents: int
    edges: int
    seconds: float
    processor_seconds: float
    allowed: float | None

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.allowed is None or self.seconds < self.allowed


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How the time of planning grows with the number of agents of one shape."""

    shape: str
    exponent: float

    @property
    def met(self) -> bool:
        """Whether the growth is near linear."""
        return self.exponent < LARGEST_EXPONENT


def chain(count: int) -> list[list[int]]:
    """Let each agent depend on the one before."""
    return [[number - 1] if number else [] for number in range(count)]


def fan(count: int) -> list[list[int]]:
    """Let one agent feed all others, and the last one join them."""
    return [[], *([0] for _ in range(count - 2)), list(range(1, count - 1))]


def layered(count: int) -> list[list[int]]:
    """Arrange agents in a square of layers; each depends on three random ones of the layer before."""
    chance, width = random.Random(count), isqrt(count)
    return [
        chance.sample(range(start - width, start), 3) if (start := number - number % width) else []
        for number in range(count)
    ]


def dense(count: int) -> list[list[int]]:
    """Let each agent depend on many random ones before it."""
    chance = random.Random(count)
    return [chance.sample(range(number), min(number, DENSE_DEGREE)) for number in range(count)]


SHAPES: dict[str, Callable[[int], list[list[int]]]] = {
    "chain": chain,
    "fan": fan,
    "layered": layered,
    "dense": dense,
}


def declare(predecessors: Sequence[Sequence[int]]) -> tuple[Catalog, Campaign]:
    """Declare the agents, shuffled, every second edge as a dependency and every edge as an input."""
    chance = random.Random(len(predecessors))
    specs = [
        AgentSpec.model_validate(
            {
                "name": f"agent{number}",
                "dependencies": [f"agent{other}" for other in before[::2]],
                "inputs": [f"output{other}" for other in before],
                "outputs": [f"output{number}"],
                "estimate_seconds": chance.randint(1, 600),
            }
        )
        for number, before in enumerate(predecessors)
    ]
    read = {other for before in predecessors for other in before}
    wanted = tuple(f"output{number}" for number in range(len(predecessors)) if number not in read)
    return Catalog.of(*chance.sample(specs, len(specs))), Campaign(id="benchmark", deliverables=wanted)


def plan(catalog: Catalog, campaign: Campaign, strategy: str) -> ExecutionPlan:
    """Do what is measured as planning: make the plan and its hash."""
    made = MasterPlanner(catalog).create_execution_plan(campaign, strategy)
    if not made.hash or len(made.steps) < len(catalog.agents):
        raise AssertionError("not every agent was planned, the figures would say nothing")
    return made


def median_times(task: Callable[[], Any], repeat: int) -> dict[str, float]:
    """Run ``task`` once to warm up and then ``repeat`` times."""
    task()
    wall, processor = [], []
    for _ in range(repeat):
        gc.collect()
        started, started_processor = time.perf_counter(), time.process_time()
        task()
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - started_processor)
    return {"seconds": statistics.median(wall), "processor_seconds": statistics.median(processor)}


def measure(sizes: Sequence[int], repeat: int) -> Iterator[Measurement]:
    """Measure every shape, size after size."""
    for shape, make in SHAPES.items():
        for count in sizes:
            predecessors = make(count)
            edges = sum(map(len, predecessors))
            yield measure_planning(shape, predecessors, edges, repeat)
        predecessors = make(COMPILED)
        edges = sum(map(len, predecessors))
        for strategy in STRATEGIES:
            yield measure_compiling(shape, predecessors, edges, strategy, repeat)


def measure_planning(shape: str, predecessors: Sequence[Sequence[int]], edges: int, repeat: int) -> Measurement:
    """Measure the planning of one graph."""
    catalog, campaign = declare(predecessors)
    return Measurement(
        task="plan",
        shape=shape,
        agents=len(predecessors),
        edges=edges,
        **median_times(lambda: plan(catalog, campaign, "parallel"), repeat),
        allowed=PLANNING_TARGETS.get(len(predecessors)),
    )


def measure_compiling(
    shape: str, predecessors: Sequence[Sequence[int]], edges: int, strategy: str, repeat: int
) -> Measurement:
    """Measure the compiling of one graph."""
    made = plan(*declare(predecessors), strategy)
    bodies: dict[str, Body] = {step.agent: body for step in made.steps}
    return Measurement(
        task=f"compile {strategy}",
        shape=shape,
        agents=len(predecessors),
        edges=edges,
        **median_times(lambda: compile_plan(made, bodies), repeat),
        allowed=COMPILING_TARGETS.get(len(predecessors)),
    )


def body(inputs: dict[str, Any]) -> dict[str, Any]:
    """Stand for an agent's work, which is not measured here."""
    return inputs


def growth(measurements: Sequence[Measurement]) -> Iterator[Growth]:
    """Fit the exponent of each shape by least squares."""
    for shape in SHAPES:
        points = [
            (log(m.agents), log(m.processor_seconds)) for m in measurements if (m.task, m.shape) == ("plan", shape)
        ]
        if len(points) > 1:
            slope, _ = statistics.linear_regression(*zip(*points, strict=True))
            yield Growth(shape=shape, exponent=slope)


def machine() -> str:
    """Say on what the figures were measured; others will give others."""
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def print_row(measurement: Measurement) -> None:
    target = ""
    if measurement.allowed is not None:
        target = f"{measurement.allowed:.0f} s {'met' if measurement.met else 'MISSED'}"
    print(
        f"{measurement.task:<20}{measurement.shape:<9}{measurement.agents:>8,}{measurement.edges:>9,}"
        f"{measurement.seconds:>9.3f}{measurement.processor_seconds:>11.3f}  {target}",
        flush=True,
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments.add_argument("--repeat", type=int, default=5, help="measure so many times and take the median")
    arguments.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of agents to plan")
    given = arguments.parse_args()
    if not given.json:
        print(f"Median of {given.repeat} on {machine()}; other machines differ.\n")
        print(f"{'task':<20}{'shape':<9}{'agents':>8}{'edges':>9}{'wall s':>9}{'processor':>11}  target")
    measurements = []
    for measurement in measure(given.sizes, given.repeat):
        measurements.append(measurement)
        if not given.json:
            print_row(measurement)
    grown = list(growth(measurements))
    if given.json:
        rows = {"measurements": [asdict(m) for m in measurements], "growth": [asdict(g) for g in grown]}
        print(json.dumps({"machine": machine(), "repeat": given.repeat, **rows}, indent=2))
    else:
        print(f"\nPlanning grows with agents to the power of (near linear: below {LARGEST_EXPONENT})")
        for one in grown:
            print(f"  {one.shape:<9}{one.exponent:.2f} {'met' if one.met else 'MISSED'}")
    return 0 if all(m.met for m in measurements) and all(g.met for g in grown) else 1


if __name__ == "__main__":
    sys.exit(main())
