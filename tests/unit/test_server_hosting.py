"""Turns of runs in a server: what is asked at the same moment is neither forgotten nor done twice."""

import asyncio
import queue
import threading
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from planner_graph.runtime.brake import Grace
from planner_graph.server import hosting, stage
from planner_graph.server.hosting import Agents, RunHost
from planner_graph.types import RunId, RunStatus

NOTHING: Any = None
RUN, OTHER = RunId("a"), RunId("b")
PAUSED = SimpleNamespace(status=RunStatus.PAUSED)


class Orchestrator:
    """Executes runs for as long as the test likes, in the loop of the host."""

    def __init__(self, agents):
        self.agents = agents
        self.began: queue.Queue[RunId] = queue.Queue()
        self.threads = set()
        self.gates = []
        self.blocked = threading.Event()
        self.broken = False
        self.repository = self

    async def get_run(self, _):
        return PAUSED

    async def resume(self, run_id):
        gate = asyncio.Event()
        self.gates.append((asyncio.get_running_loop(), gate))
        self.threads.add(threading.current_thread())
        self.began.put(run_id)
        await gate.wait()
        return PAUSED

    async def recover(self, run_id):
        self.began.put(run_id)
        self.blocked.wait(15)  # blocks the loop, as an agent may
        return PAUSED

    def open(self, number):
        loop, gate = self.gates[number]
        loop.call_soon_threadsafe(gate.set)

    def pause_all(self, _):
        for _, gate in self.gates:
            gate.set()

    def leave_all(self):
        self.pause_all("")

    async def next(self):
        return await asyncio.to_thread(self.began.get, timeout=15)


@pytest.fixture
def orchestrator(monkeypatch):
    made = Orchestrator({})
    monkeypatch.setattr(stage, "CampaignOrchestrator", lambda *_, **__: made)
    yield made
    made.blocked.set()


@asynccontextmanager
async def nothing(_):
    yield None


@pytest.fixture
async def host(monkeypatch, orchestrator):
    monkeypatch.setattr(hosting, "beside", nothing)
    agents = Agents(bodies=orchestrator.agents, reference=None, load=lambda _: {})
    async with asyncio.timeout(15), RunHost(NOTHING, NOTHING, agents, max_runs=1) as host:
        yield host


async def test_a_run_that_is_resumed_while_it_still_lets_go_is_executed_again(host, orchestrator):
    host.start(RUN, None, resume=True)
    await orchestrator.next()
    host.start(RUN, None)
    host.start(RUN, None, resume=True)
    host.start(RUN, None, resume=True)
    assert (host.executing, host.waiting) == (1, 1)
    orchestrator.open(0)
    assert await orchestrator.next() == RUN
    assert (host.executing, host.waiting) == (1, 0)


async def test_a_run_that_is_dropped_and_resumed_at_once_waits_again(host, orchestrator):
    host.start(OTHER, None, resume=True)
    await orchestrator.next()
    host.start(RUN, None, resume=True)
    host.drop(RUN)
    assert not host.has(RUN)
    host.start(RUN, None, resume=True)
    assert host.waiting == 1
    orchestrator.open(0)
    assert await orchestrator.next() == RUN
    orchestrator.open(1)
    await host.pause()
    assert orchestrator.began.empty()  # the turn that was dropped executed nothing


async def test_runs_have_a_thread_of_their_own(host, orchestrator):
    host.start(RUN, None, resume=True)
    await orchestrator.next()
    assert threading.current_thread() not in orchestrator.threads


async def test_what_is_asked_while_an_agent_blocks_counts_at_once(host, orchestrator):
    blocked = SimpleNamespace(status=RunStatus.RUNNING)
    orchestrator.get_run = lambda _: asyncio.sleep(0, blocked)
    host.start(OTHER, None)
    assert await orchestrator.next() == OTHER
    began = time.monotonic()
    host.start(RUN, None, resume=True)
    assert (host.has(RUN), host.waiting, host.executing) == (True, 1, 1)
    host.drop(RUN)
    assert not host.has(RUN)
    assert time.monotonic() - began < 1
    orchestrator.blocked.set()
    await host.pause()
    assert orchestrator.began.empty()


async def test_a_host_ends_though_an_agent_blocks_the_loop_of_its_runs(monkeypatch, orchestrator, caplog):
    monkeypatch.setattr(hosting, "beside", nothing)
    monkeypatch.setattr(hosting, "LOOK_SECONDS", 0.05)
    running = SimpleNamespace(status=RunStatus.RUNNING)
    orchestrator.get_run = lambda _: asyncio.sleep(0, running)
    agents = Agents(bodies=orchestrator.agents, reference=None, load=lambda _: {})
    async with asyncio.timeout(10):
        async with RunHost(NOTHING, NOTHING, agents, max_runs=1) as host:
            host.grace = Grace(pause=0.2)
            host.start(RUN, None)
            await orchestrator.next()
            await host.pause()
            assert "blocked the event loop" in caplog.text
        assert host.busy


async def test_a_host_that_let_go_of_all_its_runs_leaves_nothing_behind(monkeypatch, orchestrator):
    monkeypatch.setattr(hosting, "beside", nothing)
    agents = Agents(bodies=orchestrator.agents, reference=None, load=lambda _: {})
    async with RunHost(NOTHING, NOTHING, agents, max_runs=1) as host:
        host.start(RUN, None, resume=True)
        await orchestrator.next()
    assert not host.busy
    assert host.executing == 0
