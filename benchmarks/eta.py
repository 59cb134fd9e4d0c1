"""Measures how far forecasts of a run's end can be trusted, on simulated durations, halfway through each run.

Run with ``python -m benchmarks.eta``; ``--runs N`` sets the runs of each graph, ``--json FILE`` stores the figures.
Each agent has a true median that nobody knows; 20 past runs give its estimate, and one more is the run itself. Chance
alone makes for part of the error: "error, all known" is that of a forecast which knows the true distributions.
"""

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.graphs import Graph, chain, fan, layered, marketing, real
from benchmarks.tables import Figures, show
from planner_graph import ExecutionPlan
from planner_graph.planning.contents import Estimate
from planner_graph.planning.estimates import P90_DEVIATIONS, estimate_from
from planner_graph.planning.forecast import AgentStanding, Forecast, forecast
from planner_graph.planning.scheduler import scheduler_for
from planner_graph.planning.simulate import simulate
from planner_graph.types import AgentName, AgentStatus

Seconds = dict[AgentName, float]

SIGMA = 0.5
"""Spread of the logarithm of one agent's durations."""

PAST_RUNS = 20
FEWEST_SECONDS, MOST_SECONDS = 30.0, 300.0
"""Range of the agents' true medians where the graph itself has no durations."""

LEAST_COVERED, MOST_COVERED, MOST_ERROR = 0.85, 0.95, 0.15
"""Part of the runs that must end before their P90, and how far off the P50 may be, as a part of the makespan."""

LARGEST_REAL = 110
"""Real graphs of more tasks take long and say nothing new."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was forecast at some time of a run, and how long the run then took; ``makespan`` is that of all of it.

    ``best`` is what one would have forecast who knows how long agents usually take.
    """

    forecast: Forecast
    best: Forecast
    left: float
    makespan: float

    @property
    def covered(self) -> bool:
        """Whether the run ended before its P90."""
        return self.left <= self.forecast.p90_seconds_left

    @property
    def error(self) -> float:
        """How far the P50 was off, as a part of the makespan."""
        return abs(self.forecast.p50_seconds_left - self.left) / self.makespan

    @property
    def least_error(self) -> float:
        """How far the best P50 was off, as a part of the makespan."""
        return abs(self.best.p50_seconds_left - self.left) / self.makespan


def outcomes(plan: ExecutionPlan, runs: int, seed: int, medians: Seconds | None = None) -> Iterator[Outcome]:
    """Forecast so many runs of an adaptive plan at half of their makespan.

    ``medians`` are the true ones; without them, each run draws its own.
    """
    draw = random.Random(seed)
    ratio = MOST_SECONDS / FEWEST_SECONDS
    for _ in range(runs):
        true = medians or {step.agent: FEWEST_SECONDS * ratio ** draw.random() for step in plan.steps}
        past = {agent: [seconds * spread(draw) for _ in range(PAST_RUNS)] for agent, seconds in true.items()}
        took = {agent: seconds * spread(draw) for agent, seconds in true.items()}
        estimated = with_estimates(plan, {agent: estimate_from(past[agent], "past runs") for agent in true})
        knowing = with_estimates(plan, {agent: known(seconds) for agent, seconds in true.items()})
        played = simulate(scheduler_for(estimated), took)
        now = played.makespan / 2
        standings = {agent: standing(played.starts[agent], played.ends[agent], now) for agent in took}
        yield Outcome(
            forecast=forecast(estimated, standings, now),
            best=forecast(knowing, standings, now),
            left=played.makespan - now,
            makespan=played.makespan,
        )


def spread(draw: random.Random) -> float:
    """Draw a duration over its median."""
    return draw.lognormvariate(0, SIGMA)


def known(median: float) -> Estimate:
    """Give the estimate of one who knows the true median."""
    return Estimate(seconds=median, p90_seconds=median * math.exp(SIGMA * P90_DEVIATIONS), source="the truth")


def with_estimates(plan: ExecutionPlan, estimates: Mapping[AgentName, Estimate]) -> ExecutionPlan:
    """Give the plan with other estimates."""
    steps = (step.model_copy(update={"estimate": estimates[step.agent]}) for step in plan.steps)
    return plan.model_copy(update={"steps": tuple(steps)})


def standing(start: float, end: float, now: float) -> AgentStanding:
    """Give where an agent stands at a time, from when it really starts and ends."""
    if end <= now:
        return AgentStanding(status=AgentStatus.COMPLETED, started_at=start)
    return AgentStanding(status=AgentStatus.RUNNING, started_at=start) if start <= now else AgentStanding()


def any_order(count: int, seed: int) -> Graph:
    """Tasks of which each comes after up to three of the eight before it, at random."""
    draw = random.Random(seed)
    names = [f"t{place}" for place in range(count)]
    before = {
        name: sorted(draw.sample(names[max(0, place - 8) : place], min(place, draw.randint(0, 3))))
        for place, name in enumerate(names)
    }
    return Graph(name=f"random {count}", before=before, seconds=dict.fromkeys(names, 0.0))


def generated() -> Iterator[tuple[Graph, int | None]]:
    """Graphs whose agents have medians drawn at random, with the most agents that may run at once."""
    yield marketing(), None
    for limit in (None, 4):
        yield from ((graph, limit) for graph in (chain(24), fan(22), layered(6, 4), any_order(24, seed=3)))
    yield from ((layered(10, 10), limit) for limit in (None, 8))


def measured() -> Iterator[tuple[Graph, int | None]]:
    """Real graphs, whose tasks have the medians that were measured, if there are any at hand."""
    yield from ((graph, limit) for graph in real(LARGEST_REAL) for limit in (None, 8))


def calibration(runs: int) -> list[Figures]:
    """How often runs end before their P90, and how far off the P50 is, halfway."""
    rows: list[Figures] = []
    everything: list[Outcome] = []
    for kind, cases in (("generated", generated()), ("real", measured())):
        of_kind: list[Outcome] = []
        for seed, (graph, limit) in enumerate(cases):
            plan = graph.plan(max_parallel=limit)
            medians = {step.agent: max(graph.seconds[step.agent], 0.1) for step in plan.steps}
            found = list(outcomes(plan, runs, seed, medians if kind == "real" else None))
            rows.append({"graph": graph.name, "agents": len(plan.steps), "max_parallel": limit or "", **figures(found)})
            of_kind += found
        if of_kind:
            targets = {"must be": "0.85 to 0.95; < 0.15"} if kind == "generated" else {}
            rows.append({"graph": f"all {kind}", **figures(of_kind), **targets})
        everything += of_kind
    rows.append({"graph": "all", **figures(everything)})
    return rows


def figures(found: list[Outcome]) -> Figures:
    """Sum up forecasts."""
    return {
        "runs": len(found),
        "before P90": statistics.fmean(outcome.covered for outcome in found),
        "error of P50": statistics.fmean(outcome.error for outcome in found),
        "error, all known": statistics.fmean(outcome.least_error for outcome in found),
    }


def missed(found: Mapping[str, list[Figures]]) -> list[str]:
    """Name the targets that these figures miss; what chance makes of real graphs is nobody's fault."""
    together = next(row for row in found["calibration"] if row["graph"] == "all generated")
    misses = [f"{row['agents']} agents: {row['ms']:.0f} ms" for row in found["speed"] if row["ms"] > row["at most"]]
    if not LEAST_COVERED <= together["before P90"] <= MOST_COVERED:
        misses.append(f"{together['before P90']:.3f} of runs end before their P90")
    if together["error of P50"] >= MOST_ERROR:
        misses.append(f"the P50 is off by {together['error of P50']:.3f} of the makespan")
    return misses


def speed() -> list[Figures]:
    """Milliseconds of one forecast."""
    rows = []
    for graph, most in ((layered(6, 4), 10.0), (layered(100, 10), 100.0)):
        for limit in (None, 8):
            plan = graph.plan(max_parallel=limit)
            times = []
            for _ in range(10):
                start = time.perf_counter()
                forecast(plan, {}, 0.0)
                times.append(1000 * (time.perf_counter() - start))
            agents = len(plan.steps)
            rows.append(
                {"agents": agents, "max_parallel": limit or "", "ms": statistics.median(times), "at most": most}
            )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="runs of each graph")
    parser.add_argument("--json", type=Path, help="store the figures in this file")
    options = parser.parse_args()
    found = {"speed": speed(), "calibration": calibration(options.runs)}
    for part, rows in found.items():
        show(part, rows)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    if misses := missed(found):
        raise SystemExit(f"targets missed: {'; '.join(misses)}")


if __name__ == "__main__":
    main()
