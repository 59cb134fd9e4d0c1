"""Going on with runs whose process died: what was asked of them still counts, and one that fails stops no other."""

import asyncio

import pytest

from planner_graph import CampaignOrchestrator, RunStatus, recover
from planner_graph.errors import UnboundAgentsError
from planner_graph.runtime.recovery import Rescue
from planner_graph.store import leases
from planner_graph.store.commands import Command
from planner_graph.store.connection import connect
from planner_graph.store.repository import Repository
from tests.mirrors import accept
from tests.plans import make_plan

PLAN = make_plan({"first": [], "second": ["first"]})


class Crew:
    """Bodies that note their calls; the first one waits for a gate, if there is one."""

    def __init__(self, gate=None):
        self.calls: list[str] = []
        self.gate, self.begun = gate, asyncio.Event()

    def bodies(self, _row=None):
        return {"first": self.first, "second": self.second}

    async def first(self, _):
        self.calls.append("first")
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        return 1

    async def second(self, _):
        self.calls.append("second")
        return 2


@pytest.fixture(autouse=True)
def dead_at_once(monkeypatch):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 0.1)


async def left_behind(database, dsn, wanted=None):
    """Give a run whose process has died, perhaps after it was asked for something."""
    run = await accept(database, PLAN)
    async with await connect(dsn, "holder") as session:
        await Repository(database).start_run(run, token=(await leases.acquire(session, run)).token)
        if wanted is not None:
            await Repository(database).command(run, wanted, by="eve", reason="lunch")
    return run


async def status(database, run):
    return (await Repository(database).get_run(run)).status


async def test_each_run_gets_its_own_agents_and_one_that_has_none_stops_no_other(database, dsn):
    """Seen to fail where runs of the same reference share the agents of the first: the good one had none, too."""
    crew = Crew()
    good, bad = await left_behind(database, dsn), await left_behind(database, dsn)
    found = await recover(database, lambda row: crew.bodies() if row.run_id == good else {}, runs=[bad, good])

    assert [recovery.run_id for recovery in found] == [bad, good]
    assert isinstance(found[0].error, UnboundAgentsError)
    assert [await status(database, run) for run in (bad, good)] == [RunStatus.RUNNING, RunStatus.COMPLETED]


async def test_a_run_that_was_being_paused_is_paused_and_goes_on_when_it_is_resumed(database, dsn):
    """Seen to fail where it is only gone on with: whoever had asked for the pause found it completed."""
    crew = Crew()
    run = await left_behind(database, dsn, Command.PAUSE)
    await recover(database, crew.bodies, runs=[run])
    assert (await status(database, run), crew.calls) == (RunStatus.PAUSED, [])
    assert (await Repository(database).get_run(run)).status_reason == "pause asked for by eve: lunch"
    resumed = await CampaignOrchestrator(database, crew.bodies()).resume(run)
    assert (resumed.status, crew.calls) == (RunStatus.COMPLETED, ["first", "second"])


async def test_a_run_that_was_being_cancelled_is_cancelled(database, dsn):
    crew = Crew()
    run = await left_behind(database, dsn, Command.CANCEL)
    await recover(database, crew.bodies, runs=[run])
    assert (await status(database, run), crew.calls) == (RunStatus.CANCELLED, [])


async def test_a_rescue_that_is_stopped_pauses_what_goes_on_and_begins_with_nothing_else(database, dsn):
    """Seen to fail where only runs that go on are told: the second one began when the first one had paused."""
    crew = Crew(asyncio.Event())
    runs = [await left_behind(database, dsn) for _ in range(2)]
    rescue = Rescue(database, crew.bodies, most_at_once=1)
    working = asyncio.create_task(rescue.carry_out(runs))
    await crew.begun.wait()
    rescue.pause_all("enough")
    crew.gate.set()
    [recovery] = await working
    assert (recovery.run_id, await status(database, runs[0]), crew.calls) == (runs[0], RunStatus.PAUSED, ["first"])
    assert (rescue.begun, rescue.left) == ([runs[0]], [runs[1]])
