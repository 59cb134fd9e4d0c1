"""Turns of runs in a server: what is asked at the same moment is neither forgotten nor done twice."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from planner_graph.server import hosting
from planner_graph.server.hosting import Agents, RunHost
from planner_graph.types import RunId, RunStatus

NOTHING: Any = None
RUN, OTHER = RunId("a"), RunId("b")
PAUSED = SimpleNamespace(status=RunStatus.PAUSED)


class Orchestrator:
    """Executes runs for as long as the test likes."""

    def __init__(self):
        self.began: asyncio.Queue[RunId] = asyncio.Queue()
        self.gates = []
        self.repository = self

    async def get_run(self, _):
        return PAUSED

    async def resume(self, run_id):
        gate = asyncio.Event()
        self.gates.append(gate)
        self.began.put_nowait(run_id)
        await gate.wait()
        return PAUSED

    def leave_all(self):
        for gate in self.gates:
            gate.set()


@pytest.fixture
async def host(monkeypatch):
    orchestrator = Orchestrator()
    monkeypatch.setattr(hosting, "CampaignOrchestrator", lambda *_, **__: orchestrator)
    agents = Agents(bodies={}, reference=None, load=lambda _: {})
    async with asyncio.timeout(15), RunHost(NOTHING, NOTHING, agents, max_runs=1) as host:
        yield host


async def test_a_run_that_is_resumed_while_it_still_lets_go_is_executed_again(host):
    host.start(RUN, None, resume=True)
    await host.orchestrator.began.get()
    host.start(RUN, None)
    host.start(RUN, None, resume=True)
    host.start(RUN, None, resume=True)
    assert (host.executing, host.waiting) == (1, 1)
    host.orchestrator.gates[0].set()
    assert await host.orchestrator.began.get() == RUN
    assert (host.executing, host.waiting) == (1, 0)


async def test_a_run_that_is_dropped_and_resumed_at_once_waits_again(host):
    host.start(OTHER, None, resume=True)
    await host.orchestrator.began.get()
    host.start(RUN, None, resume=True)
    await asyncio.sleep(0)
    host.drop(RUN)
    host.start(RUN, None, resume=True)
    for _ in range(5):
        await asyncio.sleep(0)  # the turn that was dropped ends
    assert host.waiting == 1
    host.orchestrator.gates[0].set()
    assert await host.orchestrator.began.get() == RUN
