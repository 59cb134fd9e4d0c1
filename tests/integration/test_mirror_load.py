"""Many runs at once on one mirror: everything told is written, in bounded memory, and the agents' loop goes on."""

import asyncio
import gc
import random
import time
from collections import Counter
from contextlib import contextmanager
from typing import Any

import pytest

from planner_graph.compiler.compiler import compile_plan
from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.settings import MirrorSettings
from tests.fakes import INPUT
from tests.followed import Tables
from tests.plans import make_plan

RUNS = 200
QUEUE_LIMIT = 500


def layers(width=4, depth=6):
    """Give 24 agents of which each waits for two of the layer before."""
    chance, names = random.Random(1), [[f"{row}-{place}" for place in range(width)] for row in range(depth)]  # noqa: S311
    return {
        name: sorted(chance.sample(names[row - 1], 2)) if row else [] for row in range(depth) for name in names[row]
    }


class Watched(PlanMirror):
    """A mirror that counts what it is told, and notes how long its queue becomes and how long its calls take."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.longest_queue = 0
        self.longest_call = 0.0
        self.agent_events = 0

    def _started(self):
        started = super()._started()
        assert self._writer is not None
        self._writer.put = self.measured(self._writer.put)  # type: ignore[method-assign]
        return started

    def follow(self, invocation):
        follower = super().follow(invocation)
        tell = follower.tell

        async def told(event):
            self.agent_events += 1
            await tell(event)

        follower.tell = told  # type: ignore[method-assign]
        follower.begin = self.measured(follower.begin)  # type: ignore[method-assign]
        follower.end = self.measured(follower.end)  # type: ignore[method-assign]
        return follower

    def measured(self, call: Any) -> Any:
        def timed(*arguments):
            start = time.perf_counter()
            given = call(*arguments)
            self.longest_call = max(self.longest_call, time.perf_counter() - start)
            assert self._writer is not None
            self.longest_queue = max(self.longest_queue, len(self._writer._queue))
            return given

        return timed


async def run_all(graph, *callbacks):
    async def one(number):
        config: Any = {"callbacks": [*callbacks], "configurable": {"thread_id": f"thread {number}"}}
        await asyncio.sleep(number * 0.005)
        return (await graph.ainvoke(INPUT, config))["result"]["status"]

    assert set(await asyncio.gather(*(one(number) for number in range(RUNS)))) == {"completed"}


@contextmanager
def uncollected():
    """Keep Python's full collections out of the block: each takes longer than any call, and falls into some of them."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.timeout(300)
async def test_two_hundred_runs_at_once_lose_no_event_and_do_not_block_the_agents(dsn):
    tables, agents = Tables(dsn), layers()

    async def work(_):
        await asyncio.sleep(0.003)
        return 1

    graph = compile_plan(make_plan(agents, strategy="adaptive"), dict.fromkeys(agents, work))
    async with Watched(dsn, settings=MirrorSettings(queue_limit=QUEUE_LIMIT, flush_seconds=200)) as mirror:
        with uncollected():
            await run_all(graph, mirror)
        reports = [mirror.report(f"thread {number}") for number in range(RUNS)]

    expected = 2 * len(agents) * RUNS
    stored = Counter(row["event"] for row in tables.ask("SELECT event FROM run_events"))
    statuses = Counter(row["status"] for row in tables.ask("SELECT status FROM execution_plans"))
    assert all(report.caught_up for report in reports)
    assert mirror.agent_events == expected == stored["agent_started"] + stored["agent_ended"]
    assert sum(report.told for report in reports) == sum(stored.values()) == expected + 3 * RUNS
    assert statuses == {"completed": RUNS}
    assert tables.ask(
        "SELECT count(*) AS gaps FROM workflow_state_live l WHERE last_sequence <>"
        " (SELECT count(*) FROM run_events e WHERE e.workflow_execution_id = l.workflow_execution_id)"
    ) == [{"gaps": 0}]
    at_once = 4 * RUNS  # agents of a run that are at work; beginnings and ends come on top
    assert mirror.longest_queue <= QUEUE_LIMIT + at_once + 3 * RUNS
    assert mirror.longest_call < 0.25  # on a machine that does much else; benchmarks/mirror.py has the figure
