"""Measures adaptive plans on Postgres checkpoints against LangGraph's own fan-out of the same graph, in the same run.

Run with ``python -m benchmarks.adaptive``; ``--json FILE`` stores the figures, ``--only PART`` measures one part.
"""

import asyncio
import base64
import gc
import random
import statistics
import threading
import time
import tracemalloc
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from benchmarks.graphs import PAYLOAD, Graph, chain, fan, layered, marketing, real, timed, uneven_chains
from benchmarks.tables import Figures, measure
from planner_graph import ExecutionPlan, compile_plan
from planner_graph.planning.scheduler import Demand, Scheduler, scheduler_for
from planner_graph.planning.simulate import simulate
from planner_graph.store.database import Database
from planner_graph.store.saver import checkpointer

REPEATS = 3
FEW_TASKS = 20
"""Graphs of no more tasks than this say little about slots."""


def plain_langgraph(graph: Graph, saver: Any, payload: str = PAYLOAD) -> Any:
    """Compile the graph as one would by hand: a dict-valued channel per task, edges for dependencies."""
    builder: Any = StateGraph(channels("State", graph.before))

    def node(task: str) -> Any:
        async def run(_: Any) -> dict[str, Any]:
            if graph.seconds[task]:
                await asyncio.sleep(graph.seconds[task])
            return {task: {"output": payload}}

        return run

    for task, before in graph.before.items():
        builder.add_node(task, node(task), input_schema=channels("Reads", before))
        builder.add_edge(before[0] if len(before) == 1 else (before or START), task)
    builder.add_edge(graph.sinks[0] if len(graph.sinks) == 1 else graph.sinks, END)
    return builder.compile(checkpointer=saver).with_config(recursion_limit=len(graph.before) + 10)


def channels(name: str, tasks: Iterable[str]) -> Any:
    """Give a state with a dict-valued channel per task."""
    return TypedDict(name, dict.fromkeys(tasks, dict[str, Any]), total=False)  # type: ignore[operator]


def bodies(graph: Graph, payload: str = PAYLOAD) -> dict[str, Callable[..., Awaitable[str]]]:
    """Give a body per task that sleeps as long as the task takes."""

    def body(seconds: float) -> Callable[..., Awaitable[str]]:
        async def work(_: Mapping[str, Any]) -> str:
            if seconds:
                await asyncio.sleep(seconds)
            return payload

        return work

    return {task: body(seconds) for task, seconds in graph.seconds.items()}


async def wall(graph: Any, given: Any, *callbacks: Any) -> float:
    """Give the seconds of one run on a fresh thread."""
    config = {"configurable": {"thread_id": str(uuid.uuid4())}, "callbacks": list(callbacks)}
    gc.collect()
    start = time.perf_counter()
    await graph.ainvoke(given, config)
    return time.perf_counter() - start


async def pair(
    database: Database, graph: Graph, plan: ExecutionPlan, payload: str = PAYLOAD, repeats: int = REPEATS
) -> tuple[list[float], list[float]]:
    """Run adaptive and plain in turns; give the seconds of each run."""
    ours, plain = [], []
    for _ in range(repeats):
        compiled = compile_plan(plan, bodies(graph, payload), checkpointer=checkpointer(database))
        ours.append(await wall(compiled, {"campaign": {}}))
        plain.append(await wall(plain_langgraph(graph, checkpointer(database), payload), {graph.sinks[0]: {}}))
    return ours, plain


async def no_barrier(database: Database) -> list[Figures]:
    """Wall time over critical path, with no limit on concurrency."""
    graphs = [marketing(), uneven_chains(), timed(layered(10, 10)).scaled(2.0), *(g.scaled(2.0) for g in real())]
    shapes = ((6, 4), (10, 5), (10, 10))
    graphs += [timed(layered(*shape, seed=seed), seed).scaled(2.0) for shape in shapes for seed in (1, 2, 3)]
    rows: list[Figures] = []
    for graph in graphs:
        ours, plain = await pair(database, graph, graph.plan())
        path = graph.critical_path
        rows.append(
            {
                "graph": graph.name,
                "tasks": len(graph.before),
                "adaptive": statistics.median(ours) / path,
                "plain": statistics.median(plain) / path,
            }
        )
    ratios = [row["adaptive"] for row in rows]
    rows.append({"graph": "median (must be at most 1.02)", "adaptive": statistics.median(ratios)})
    rows.append({"graph": "worst (must be at most 1.06)", "adaptive": max(ratios)})
    return rows


async def overhead(database: Database) -> list[Figures]:
    """Milliseconds per agent that does nothing."""
    rows = []
    for graph, limit in ((chain(50), 0.8), (fan(50), 1.1), (layered(10, 10), 1.1), (layered(10, 100), 1.1)):
        plan = graph.plan()
        ours, plain = await pair(database, graph, plan, repeats=1 + 3000 // (len(graph.before) + 200))
        count = len(graph.before)
        rows.append(
            {
                "graph": graph.name,
                "adaptive ms": 1000 * statistics.median(ours) / count,
                "plain ms": 1000 * statistics.median(plain) / count,
                "ratio": statistics.median(ours) / statistics.median(plain),
                "at most": limit,
            }
        )
    return rows


async def slots(database: Database) -> list[Figures]:
    """Wall time with few slots, against the ideal list schedule and against first in, first out."""
    graphs = [timed(layered(10, 5, seed=seed), seed).scaled(1.5) for seed in (1, 2, 3)] + [
        graph.scaled(1.5) for graph in real() if len(graph.before) > FEW_TASKS
    ][:6]
    rows: list[Figures] = []
    for graph in graphs:
        for count in (4, 8):
            plan = graph.plan(max_parallel=count)
            durations = {step.agent: graph.seconds[step.agent] for step in plan.steps}
            ideal = simulate(scheduler_for(plan), durations).makespan
            fifo = simulate(first_come(plan, count), durations).makespan
            compiled = compile_plan(plan, bodies(graph), checkpointer=checkpointer(database))
            took = statistics.median([await wall(compiled, {"campaign": {}}) for _ in range(REPEATS)])
            rows.append({"graph": graph.name, "slots": count, "of ideal": took / ideal, "of first-come": took / fifo})
    for name in ("of ideal", "of first-come"):
        rows.append({"graph": f"mean {name}", name: statistics.mean(row[name] for row in rows if name in row)})
    return rows


def first_come(plan: ExecutionPlan, count: int) -> Scheduler:
    """Give a scheduler that starts agents in the order in which they become ready."""

    class FirstCome(Scheduler):
        def _queue_if_ready(self, agent: Any) -> None:
            self._come = getattr(self, "_come", 0) + 1
            self.demands[agent] = Demand(agent=agent, waits_for=self.demands[agent].waits_for, priority=-self._come)
            super()._queue_if_ready(agent)

    return FirstCome([Demand(agent=s.agent, waits_for=s.waits_for) for s in plan.steps], max_parallel=count)


async def waiting(database: Database) -> list[Figures]:
    """Threads and memory that waiting agents hold."""
    before: dict[str, list[str]] = {"gate": [], **{f"w{number}": ["gate"] for number in range(1000)}}
    graph = Graph(name="1000 waiting", before=before, seconds=dict.fromkeys(before, 0.0))
    opened, seen = asyncio.Event(), asyncio.Event()

    async def gate(_: Any) -> str:
        seen.set()
        await opened.wait()
        return PAYLOAD

    async def work(_: Any) -> str:
        return PAYLOAD

    agents = {**dict.fromkeys(graph.before, work), "gate": gate}
    compiled: Any = compile_plan(graph.plan(), agents, checkpointer=checkpointer(database))
    gc.collect()
    threads = threading.active_count()
    tracemalloc.start()
    config = {"configurable": {"thread_id": str(uuid.uuid4())}}
    running = asyncio.create_task(compiled.ainvoke({"campaign": {}}, config))
    await seen.wait()
    await asyncio.sleep(1)
    gc.collect()
    kilobytes = tracemalloc.get_traced_memory()[0] / 1000 / 1000
    tracemalloc.stop()
    held = threading.active_count() - threads
    opened.set()
    await running
    return [{"graph": graph.name, "kB per waiting agent": kilobytes, "at most": 20, "threads": held}]


async def written(database: Database) -> list[Figures]:
    """Bytes written to Postgres for a chain of 100 with outputs of 20 kB."""
    graph, payload = chain(100), incompressible(20_000)
    rows = []
    plan = graph.plan()
    for name in ("adaptive", "plain"):
        if name == "adaptive":
            compiled = compile_plan(plan, bodies(graph, payload), checkpointer=checkpointer(database))
            given: Any = {"campaign": {}}
        else:
            compiled, given = plain_langgraph(graph, checkpointer(database), payload), {graph.sinks[0]: {}}
        await wall(compiled, given)  # the first write to a page after a checkpoint of the server logs the whole page
        before = await log_position(database)
        await wall(compiled, given)
        total = await log_position(database) - before
        rows.append({"graph": graph.name, "system": name, "MB": total / 1e6, "of payload": total / (100 * 20_000)})
    return rows


def incompressible(length: int) -> str:
    """Give a text that no compression makes much shorter."""
    return base64.b64encode(random.Random(1).randbytes(length)).decode()[:length]


async def log_position(database: Database) -> int:
    """Give how many bytes the server has ever written to its log."""
    async with database.pool.connection() as connection:
        cursor = await connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS position")
        return int((await cursor.fetchone() or {})["position"])


PARTS = {"no_barrier": no_barrier, "overhead": overhead, "slots": slots, "waiting": waiting, "written": written}


if __name__ == "__main__":
    asyncio.run(measure(PARTS, __doc__))
