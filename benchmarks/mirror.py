"""Measures what the mirror costs, and how soon others see what happens.

Run with ``python -m benchmarks.mirror``; ``--json FILE`` stores the figures, ``--only PART`` measures one part.
"""

import asyncio
import gc
import random
import resource
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg

from benchmarks.adaptive import bodies, wall
from benchmarks.graphs import Graph, layered
from benchmarks.tables import Figures, measure
from planner_graph import PlanMirror, compile_plan
from planner_graph.compiler.events import Event
from planner_graph.mirror.follower import RunFollower
from planner_graph.store.database import Database
from planner_graph.store.saver import checkpointer

RUNS = 200
PROBE_SECONDS = 0.001


def campaign(seconds: float = 0.05, seed: int = 1) -> Graph:
    """Give a graph of 24 agents that take ``seconds`` each, in six layers."""
    graph = layered(6, 4, seed=seed)
    return Graph(name="24 agents", before=graph.before, seconds=dict.fromkeys(graph.before, seconds))


async def overhead(database: Database) -> list[Figures]:
    """Wall time with the mirror on and off, in turns."""
    rows: list[Figures] = []
    async with PlanMirror(database) as mirror:
        for graph, repeats in ((campaign(), 9), (layered(10, 100), 7)):
            plan, on, off = graph.plan(), [], []
            for _ in range(repeats):
                compiled = compile_plan(plan, bodies(graph), checkpointer=checkpointer(database))
                off.append(await wall(compiled, {"campaign": {}}))
                on.append(await wall(compiled, {"campaign": {}}, mirror))
            count = len(graph.before)
            rows.append(
                {
                    "graph": graph.name,
                    "on s": statistics.median(on),
                    "off s": statistics.median(off),
                    "ratio": statistics.median(on) / statistics.median(off),
                    "extra ms per agent": 1000 * (statistics.median(on) - statistics.median(off)) / count,
                }
            )
    rows[0]["at most"] = "ratio 1.05"
    rows[1]["at most"] = "extra 0.3"
    return rows


async def latency(database: Database) -> list[Figures]:
    """Milliseconds from a transition to the notification of a listening client."""
    told: dict[str, list[tuple[int, datetime]]] = {}
    async with await psycopg.AsyncConnection.connect(database.conninfo, autocommit=True) as listener:
        await listener.execute("LISTEN planner_graph")
        listening = asyncio.create_task(listen(listener, told))
        graph = campaign(0.05)
        async with PlanMirror(database) as mirror:
            compiled = compile_plan(graph.plan(), bodies(graph), checkpointer=checkpointer(database))
            threads = [str(uuid.uuid4()) for _ in range(20)]
            for thread in threads:
                config: Any = {"configurable": {"thread_id": thread}, "callbacks": [mirror]}
                await compiled.ainvoke({"campaign": {}}, config)
            runs = [str(mirror.report(thread).run_id) for thread in threads]
        await asyncio.sleep(0.2)
        listening.cancel()
    waits = [wait for run in runs for wait in await latencies(database, run, told[run])]
    cuts = statistics.quantiles(waits, n=100)
    return [{"transitions": len(waits), "P50 ms": cuts[49], "P99 ms": cuts[98], "at most": "P50 20, P99 100"}]


async def listen(connection: Any, told: dict[str, list[tuple[int, datetime]]]) -> None:
    """Note when which sequence number of which run was told."""
    async for notice in connection.notifies():
        run, sequence = notice.payload.split()
        told.setdefault(run, []).append((int(sequence), datetime.now(UTC)))


async def latencies(database: Database, run: str, told: list[tuple[int, datetime]]) -> list[float]:
    """Give for each event of an agent the milliseconds until the first notification that covers it."""
    statement = (
        "SELECT sequence, at FROM run_events WHERE workflow_execution_id = %s AND agent_name IS NOT NULL ORDER BY 1"
    )
    async with database.pool.connection() as conn:
        rows = await (await conn.execute(statement, [run])).fetchall()
    return [
        1000 * (min(when for sequence, when in told if sequence >= row["sequence"]) - row["at"]).total_seconds()
        for row in rows
    ]


async def many(database: Database) -> list[Figures]:
    """200 runs of 24 agents in one process, 10 s of work each, all begun within 3 s; checkpoints are kept in memory."""
    graph = campaign(1.0)
    compiled: list[Any] = [compile_plan(campaign(1.0, seed).plan(), varied(graph)) for seed in range(1, 6)]
    return [await crowd(database, compiled, mirrored=mirrored) for mirrored in (False, True)]


async def crowd(database: Database, compiled: list[Any], *, mirrored: bool) -> Figures:
    """Run 200 campaigns at once.

    Without Python's full collections: each takes half a second, mirror or not, and falls into whatever runs.
    """
    threads = [str(uuid.uuid4()) for _ in range(RUNS)]
    gc.collect()
    gc.disable()
    start, memory = time.perf_counter(), peak()
    async with TimedMirror(database) as mirror, lag() as lags:
        callbacks = [mirror] if mirrored else []

        async def one(number: int, thread: str) -> None:
            await asyncio.sleep(3 * number / RUNS)
            config = {"configurable": {"thread_id": thread}, "callbacks": callbacks}
            await compiled[number % len(compiled)].ainvoke({"campaign": {}}, config)

        await asyncio.gather(*(one(number, thread) for number, thread in enumerate(threads)))
    gc.enable()
    figures = {
        "mirror": "on" if mirrored else "off",
        "s": time.perf_counter() - start,
        "loop late, P99 ms": 1000 * statistics.quantiles(lags, n=100)[98],
        "latest ms": 1000 * max(lags),
        "more memory MB": peak() - memory,
    }
    if mirrored:
        reports = [mirror.report(thread) for thread in threads]
        figures |= {
            "longest call of the mirror ms (at most 50)": 1000 * mirror.longest,
            "told": sum(report.told for report in reports),
            "missing": sum(report.missing for report in reports),
            "events": await count(database, [str(report.run_id) for report in reports]),
            "expected": RUNS * (3 + 2 * 24),
        }
    return figures


class TimedMirror(PlanMirror):
    """A mirror that knows for how long it kept the event loop busy at most."""

    longest = 0.0

    def follow(self, invocation: uuid.UUID) -> RunFollower:
        """Follow an invocation and take the time."""
        follower = super().follow(invocation)
        follower.begin = self._timed(follower.begin)  # type: ignore[method-assign]
        follower.end = self._timed(follower.end)  # type: ignore[method-assign]
        tell = follower.tell

        async def timed(event: Event) -> None:
            start = time.perf_counter()
            await tell(event)  # does not suspend, as the queue is never full
            self.longest = max(self.longest, time.perf_counter() - start)

        follower.tell = timed  # type: ignore[method-assign]
        return follower

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            given = call(*arguments)
            self.longest = max(self.longest, time.perf_counter() - start)
            return given

        return timed


def varied(graph: Graph) -> dict[str, Any]:
    """Give bodies that take between half and double of what they should."""
    chance = random.Random(1)
    seconds = {task: chance.uniform(0.5, 2.0) * seconds for task, seconds in graph.seconds.items()}
    return dict(bodies(Graph(name=graph.name, before=graph.before, seconds=seconds)))


@asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """Give by how many seconds the event loop was late, measured every millisecond."""
    lags: list[float] = [0.0, 0.0]

    async def probe() -> None:
        while True:
            due = time.perf_counter() + PROBE_SECONDS
            await asyncio.sleep(PROBE_SECONDS)
            lags.append(time.perf_counter() - due)

    probing = asyncio.create_task(probe())
    yield lags
    probing.cancel()


def peak() -> float:
    """Give the most memory that the process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


async def count(database: Database, runs: list[str]) -> int:
    """Count the events of runs; the sequence numbers of each must have no gap."""
    statement = (
        "SELECT count(*) AS events, max(sequence) AS last FROM run_events"
        " WHERE workflow_execution_id = ANY (%s::UUID[]) GROUP BY workflow_execution_id"
    )
    async with database.pool.connection() as conn:
        rows = await (await conn.execute(statement, [runs])).fetchall()
    gaps = sum(row["events"] != row["last"] for row in rows)
    if gaps:
        raise AssertionError(f"{gaps} runs have gaps in their sequence")
    return sum(row["events"] for row in rows)


PARTS = {"overhead": overhead, "latency": latency, "many": many}

if __name__ == "__main__":
    asyncio.run(measure(PARTS, __doc__))
